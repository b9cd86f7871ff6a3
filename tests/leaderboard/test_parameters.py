"""What baselines say of networks: counted here where a definition is at hand, else by its source.

A name is not enough where it has several readings, and no activation is taken for ReLU unasked.
"""

import pytest

from leaderboard.boards import leaderboard
from leaderboard.names import architecture
from leaderboard.published import Published, published
from tests.leaderboard.parameters import by_name, readings, wide_resnet

ENTRIES = published()
BY_ID = {(e.dataset, e.norm, e.id): e for e in ENTRIES}
ZOO = "RobustBench's model-zoo code at 78fcc9e"

NO_BIAS = ("cifar10", "Linf", "Pang2020Boosting")
"""Its last layer has none, as its method wants, so that it trains ten numbers less."""


@pytest.mark.parametrize(
    ("depth", "width", "n_classes", "parameters"),
    [
        # Zagoruyko and Komodakis 2016, table 4: 8.9 M, 36.5 M and 55.8 M (40-8: 35.7 M).
        (40, 4, 10, 8_949_210),
        (28, 10, 10, 36_479_194),
        (40, 8, 10, 35_748_314),
        (28, 10, 100, 36_536_884),
    ],
)
def test_a_wide_residual_network_is_counted_as_its_paper_counts_it(
    depth: int, width: int, n_classes: int, parameters: int
) -> None:
    assert wide_resnet(depth, width, n_classes) == parameters


def test_every_count_of_a_name_of_one_reading_is_the_one_of_its_definition() -> None:
    checked = 0
    for entry in ENTRIES:
        name = architecture(entry.architecture)
        if entry.parameters is None or name is None:
            continue
        counted = by_name(name.removeprefix("MeanSparse "), entry.dataset)
        if counted is None:
            continue
        less = 10 if (entry.dataset, entry.norm, entry.id) == NO_BIAS else 0
        assert entry.parameters == counted - less, entry.id
        checked += 1
    assert checked > 150


def test_a_count_of_a_name_of_several_readings_is_one_of_them_and_comes_from_code() -> None:
    names = {"Swin-B", "Swin-L", "ViT-B", "PreActResNet-18"}
    found = [e for e in ENTRIES if e.parameters and architecture(e.architecture) in names]
    assert len(found) == 10 + 13
    for entry in found:
        if entry.parameters in {12_548_426, 12_594_596}:  # Gowal 2021 writes it in another way
            assert entry.activation == "SiLU"
            continue
        assert entry.parameters in readings(
            str(architecture(entry.architecture)), entry.dataset
        ) or (
            entry.id == "Xu2024MIMIR_Swin-L"  # with a norm of its own for each stage
        )
        assert ZOO in str(entry.parameters_source)


def test_what_a_name_leaves_open_stays_unknown() -> None:
    for entry in ENTRIES:
        name = architecture(entry.architecture)
        if not entry.loads and name in {"PreActResNet-18", "ViT-B", "ViT-S", "Swin-S", None}:
            assert entry.parameters is None, entry.id
    assert BY_ID["cifar10", "Linf", "Kang2021Stable"].parameters is None
    assert BY_ID["imagenet", "Linf", "Qin2019LLR_imagenet"].parameters is None
    assert BY_ID["cifar10", "Linf", "Madry2018Towards"].activation is None
    assert BY_ID["cifar10", "Linf", "Zhang2020Towards"].activation is None


def test_every_fact_has_its_source_and_no_source_stands_alone() -> None:
    for entry in ENTRIES:
        pairs = (
            (entry.parameters, entry.parameters_source),
            (entry.input_size, entry.input_source),
            (entry.activation, entry.activation_source),
        )
        for fact, source in pairs:
            assert (fact is None) == (source is None), entry.id


def test_most_published_models_say_their_size_and_all_of_cifar_their_input() -> None:
    of_cifar = [e for e in ENTRIES if e.dataset.startswith("cifar")]
    assert {e.input_size for e in of_cifar} == {32}
    assert sum(e.parameters is not None for e in ENTRIES) == 232
    # Its attacker saw crops of 288 pixels, everybody else's of 224.
    sizes = {e.input_size for e in ENTRIES if e.dataset == "imagenet" and e.input_size}
    assert sizes == {224, 288}
    assert BY_ID["imagenet", "Linf", "Wong2020Fast"].input_size == 288


@pytest.mark.parametrize(
    ("key", "activation", "parameters"),
    [
        (("cifar10", "Linf", "Wong2020Fast"), "ReLU", 11_171_146),
        (("cifar10", "L2", "Rice2020Overfitting"), "ReLU", 11_172_170),
        (("cifar10", "Linf", "Rebuffi2021Fixing_R18_ddpm"), "SiLU", 12_548_426),
        (("imagenet", "Linf", "Liu2023Comprehensive_Swin-L"), "GELU", 196_532_476),
        (("cifar10", "Linf", "Carmon2019Unlabeled"), "ReLU", 36_479_194),
    ],
)
def test_a_fact_of_robustbench_s_code_is_what_its_network_does(
    key: tuple[str, str, str], activation: str, parameters: int
) -> None:
    entry = BY_ID[key]
    assert (entry.activation, entry.parameters) == (activation, parameters)
    assert str(entry.activation_source).startswith(ZOO)
    assert str(entry.parameters_source).startswith(ZOO)


def test_a_row_shows_the_facts_of_its_entry_and_ours_those_of_the_card() -> None:
    boards = leaderboard().boards
    rows = [row for board in boards for row in board.rows if row.published]
    assert sum(row.parameters is not None for row in rows) > 200
    for row in rows:
        assert isinstance(row.published, Published)
        assert row.parameters == row.published.parameters
        assert row.input_size == row.published.input_size
        assert row.year == row.published.year
    ours = {row.model: row for board in boards for row in board.rows if row.card}
    assert ours["resnet8-silu-sat-digits"].input_size == 8
    assert ours["resnet50-silu-sat"].input_size == 224
    assert ours["resnet50-silu-sat"].year == 2020
    assert ours["resnet8-silu-sat-digits"].year is None
