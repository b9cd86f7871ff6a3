"""What may stand in one column and in one table."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from eval import Report, Threat
from eval.report.summary import heading
from eval.report.words import one_line
from leaderboard.columns import column, family, order, title
from leaderboard.compare import compare
from leaderboard.names import activation, architecture, architecture_of
from leaderboard.places import (
    FULL,
    same_eps,
    slug,
    subset_of_published,
    subset_of_report,
    unique,
)
from leaderboard.published import NOT_STATED, published
from leaderboard.ranking import _usual
from zoo.publish.eval_results import model_index
from zoo.publish.model_card import _row
from zoo.publish.reports import Result

Make = Callable[..., Report]
ENTRIES = {(e.dataset, e.norm, e.id): e for e in published()}


def test_a_column_says_where_a_report_deviates_from_its_protocol(made: Make) -> None:
    verdicts = ["robust", "clean"]
    assert column(made(verdicts)) == "pgd-50"
    # At 4/255 a step of 1/255 is the usual quarter of eps.
    assert column(made(verdicts, step_size="1/255", eps="4/255")) == "pgd-50"
    assert column(made(verdicts, step_size="1/255")) == "pgd-50 step 1/255"
    assert column(made(verdicts, protocol="autoattack")) == "autoattack-standard@1"
    reference = made(verdicts, protocol="autoattack", engine="reference")
    assert column(reference) == "autoattack-standard@1 reference"
    assert column(made(verdicts, protocol="clean")) == "clean"
    assert column(made(verdicts, protocol="pgd-sat-50")) == "pgd-sat-50@1"


@pytest.mark.parametrize("last", [{}, {"norm": "L2", "eps": "1/2"}, {"protocol": "pgd-20"}])
def test_whoever_names_the_attack_names_the_step_that_is_not_its_own(
    made: Make, last: dict[str, str]
) -> None:
    verdicts = ["robust", "clean"]
    usual, other = made(verdicts, **last), made(verdicts, step_size="1/255", **last)
    (row, robust), (usual_row, usual_robust) = (
        (_row(it), model_index([it], "organisation/name")[-1])
        for it in (Result("a.json", b"", one) for one in (other, usual))
    )
    for words in (
        heading(other),
        one_line(other),
        compare(other, usual).a,
        row[1],
        robust.metric_name,
        (robust.metric_args or {})["protocol"],
    ):
        assert f"{usual.protocol.name} step 1/255" in (words or "")
    for words in (heading(usual), one_line(usual), usual_row[1], usual_robust.metric_name):
        assert "step" not in (words or "")


@pytest.mark.parametrize("weaker", ["PGD-50 step 1/255", "PGD-5", "FGSM", "PGD-50 step eps/8"])
def test_of_attacks_that_as_many_ran_the_one_by_its_own_steps_ranks(weaker: str) -> None:
    assert max([weaker, "PGD-50"], key=_usual) == "PGD-50"
    assert max(["PGD-50", weaker, "PGD-100"], key=_usual) == "PGD-100"


def test_families_keep_pgd_and_autoattack_apart() -> None:
    columns = ["autoattack", "autoattack-standard@1", "autoattack-standard@1 reference"]
    assert {family(one) for one in columns} == {"AutoAttack"}
    others = ["pgd-50", "pgd-50 step 1/255", "pgd-100", "pgd-100 targeted", "autoattack-plus@1"]
    assert len({family(one) for one in [*others, "autoattack", "clean", "not stated"]}) == 8
    assert title("pgd-sat-50@1") == family("pgd-sat-50@1") == "PGD-50 (SAT code)"
    assert title("quick@1") == family("quick@1") == "quick (upper bound)"
    assert title("autoattack-standard@1 reference") == "AutoAttack (reference package)"
    assert sorted(["pgd-10", "pgd-50", "clean", "autoattack"], key=order) == [
        "clean",
        "autoattack",
        "pgd-50",
        "pgd-10",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("8/255", "8/255"),
        ("16/510", "8/255"),
        (" 8 / 255", "8/255"),
        ("0.031", "0.031"),  # less than 8/255 = 0.03137: another ball
        ("3/16", "3/16"),
        ("0.5", "0.5"),
        ("1/2", "0.5"),
        ("128/255", "128/255"),
        ("not stated", "not stated"),
        ("1/0", "not stated"),
    ],
)
def test_one_radius_has_one_text(text: str, wanted: str) -> None:
    assert same_eps(text) == wanted


@pytest.mark.parametrize(
    "text", ["1e3000000000", "1e999999999/255", "8/1e3000000000", "-1e-3000000000", "9" * 5_000_000]
)
def test_an_eps_that_would_fill_the_memory_is_no_number_and_is_answered_at_once(text: str) -> None:
    start = time.perf_counter()
    assert same_eps(text) == NOT_STATED
    assert time.perf_counter() - start < 20  # hours, were the number written out


@pytest.mark.parametrize("text", ["0.031", "8/255", "3/16", "0.5", "1", "2.50", "1/300", "1e-6"])
def test_an_eps_has_one_text_in_reports_and_on_boards(text: str) -> None:
    assert same_eps(text) == Threat("L2", text).eps_text


def test_a_choice_of_images_is_told_from_every_other(made: Make) -> None:
    ten = ["robust"] * 10
    drawn = subset_of_report(made(ten, data="cifar10"))
    assert drawn.key.startswith("10-")
    assert subset_of_report(made(ten, data="cifar10", ids=list("abcdefghij"))) != drawn
    assert subset_of_report(made(ten, data="cifar10", official=True)).key == "first-10"
    assert subset_of_report(made(ten, data="cifar10", split="train")).key.startswith("train-10-")
    first = [str(i) for i in range(10)]
    assert subset_of_report(made(ten, data="cifar10-jpeg", ids=first)).key == "first-10"
    assert subset_of_report(made(ten, data="cifar10-jpeg", ids=first[::-1])).key.startswith("10-")
    unproved = subset_of_report(made(ten, data="cifar100", official=True))
    assert unproved.key.startswith("10-"), "its word alone makes no images official"
    n = FULL["digits"]
    whole = subset_of_report(made(["robust"] * n, data="digits", official=True))
    assert (whole.key, whole.text) == ("full", "all 360 images")


def test_published_subsets_stay_apart() -> None:
    keys = {
        name: subset_of_published(ENTRIES[name]).key
        for name in (
            ("cifar10", "Linf", "Wong2020Fast"),
            ("imagenet", "Linf", "Liu2023Comprehensive_Swin-L"),
            ("imagenet", "Linf", "Liu2023_SwinL_aa"),
            ("imagenet", "Linf", "Bai2021_ResNet-50_GELU_aa"),
        )
    }
    assert list(keys.values()) == [
        "full",
        "5000-robustbench-s-fixed-list",
        "1000-drawn-at-random-by-thu-ml-ares",
        "not-stated",
    ]


@given(st.text())
def test_a_slug_is_safe_in_addresses_and_file_names(text: str) -> None:
    assert 1 <= len(slug(text)) <= 80
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_keys_that_collide_are_told_apart() -> None:
    taken: set[str] = set()
    assert unique("a", "a b", taken) == "a"
    assert unique("a", "a-b", taken).startswith("a-")
    assert len(taken) == 2


def test_every_card_has_a_readable_architecture() -> None:
    assert {architecture_of(zoo.card(name)).split("-")[0] for name in zoo.list_models()} == {
        "ResNet",
        "ResNeXt",
        "EfficientNet",
    }
    assert architecture_of(zoo.card("resnext50-32x4d-silu-sat")) == "ResNeXt-50 32x4d"
    assert architecture_of(zoo.card("efficientnet-l1-enhanced-sat")) == "EfficientNet-L1"
    w16 = zoo.card("resnet18-w16-silu-sat-cifar10")
    assert architecture_of(w16) == "ResNet-18, width 16"


@pytest.mark.parametrize(
    ("printed", "wanted"),
    [
        ("ResNet50", "ResNet-50"),
        ("WRN-28-10", "WideResNet-28-10"),
        ("SwinL", "Swin-L"),
        ("ConvNextB", "ConvNeXt-B"),
        ("XCiT-S12", "XCiT-S12"),
        (None, None),
    ],
)
def test_architectures_have_one_spelling(printed: str | None, wanted: str | None) -> None:
    assert architecture(printed) == wanted


def test_activations_have_one_spelling_and_unknown_is_not_relu() -> None:
    assert activation("silu") == activation("Swish") == activation("SiLU") == "SiLU"
    assert activation(None) is None
