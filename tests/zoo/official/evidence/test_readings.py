"""Checkpoints whose right reading is known, because their labels are what it predicts."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from eval.data import ImageSet, from_tensors
from eval.errors import SatZooError, UsageError, WeightsMismatch
from zoo import networks, registry
from zoo.cards import ModelCard
from zoo.cli import doctor, readings
from zoo.official import convert, import_checkpoint
from zoo.official.evidence.networks import of_checkpoint, record
from zoo.official.evidence.readings import OFFSETS, Findings, Readable, Reading, settle, sign_test
from zoo.official.mapping import mapping
from zoo.weights.store import Store

Write = Callable[..., Path]
Variables = dict[str, np.ndarray[Any, Any]]
N = 150
SHADOW = "/ExponentialMovingAverage"
TF_AXES = {"conv": (2, 3, 1, 0), "linear": (1, 0)}  # OIHW to HWIO, out-in to in-out


@dataclass(frozen=True)
class World:
    """Coloured pictures, and two networks that each tell them apart in their own way."""

    card: ModelCard
    x: Tensor
    nets: dict[str, nn.Module]
    checkpoints: dict[str, Path] = field(default_factory=dict)

    def images(self, truth: Reading) -> ImageSet:
        """The pictures whose label under `truth` is a class; `truth` gets all of them right."""
        net = self.nets[truth.values]
        y = net(2 * self.x - 1).argmax(1) - truth.label_offset
        is_class = (y >= 0) & (y < self.card.classes)
        return from_tensors(self.x[is_class], y[is_class])

    def variables(self, values: str, channel_order: str) -> Variables:
        """A network as TensorFlow has it, made for pictures in that order."""
        state = self.nets[values].state_dict()
        with torch.device("meta"):
            targets = mapping(networks.build(self.card))
        found = {}
        for name, target in targets.items():
            array = state[target.key].numpy()
            if target.key == "conv1.weight" and channel_order == "BGR":
                array = array[:, ::-1]
            found[name] = np.ascontiguousarray(
                array.transpose(TF_AXES.get(target.layout, range(array.ndim)))
            )
        return found

    def write(self, prefix: Path, write: Write, channel_order: str) -> None:
        """Keep a checkpoint of both networks, made for pictures in that order."""
        averages = self.variables("moving averages", channel_order)
        both = self.variables("weights", channel_order)
        both |= {name + SHADOW: array for name, array in averages.items()}
        self.checkpoints[channel_order] = write(prefix, both)


@pytest.fixture(scope="module")
def world(
    resnet_card: ModelCard, write_bundle: Write, tmp_path_factory: pytest.TempPathFactory
) -> World:
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(N, 3, 2, 2, generator=generator)
    x = nn.functional.interpolate(patches, size=(32, 32), mode="bilinear")
    nets = {}
    with torch.random.fork_rng(), torch.no_grad():
        for seed, values in enumerate(("weights", "moving averages")):
            torch.manual_seed(seed)
            net = networks.build(resnet_card)
            for norm in net.modules():
                if isinstance(norm, nn.BatchNorm2d):
                    norm.momentum = None  # the average of one batch: statistics of these pictures
                    norm.weight.fill_(1)
            net(2 * x - 1)
            net.eval()
            features = net.forward_head(net.forward_features(2 * x - 1), pre_logits=True)
            net.fc.weight.normal_()
            net.fc.bias.copy_(-net.fc.weight @ features.mean(0))  # no class is everybody's
            nets[values] = net.requires_grad_(False)
    made = World(resnet_card, x, nets)
    for order in ("RGB", "BGR"):
        made.write(tmp_path_factory.mktemp("checkpoints") / order, write_bundle, order)
    return made


@pytest.fixture(scope="module")
def readable(world: World) -> dict[str, Readable]:
    """Both checkpoints, each with both sets of values."""
    return {order: of_checkpoint(world.card, path) for order, path in world.checkpoints.items()}


TRUTHS = [
    Reading(*which)  # type: ignore[arg-type]
    for which in product(("RGB", "BGR"), ("weights", "moving averages"), OFFSETS)
]


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
def test_the_right_reading_is_found_whatever_the_card_says(
    world: World, readable: dict[str, Readable], truth: Reading
) -> None:
    images = world.images(truth)
    findings = settle(world.card, readable[truth.channel_order], images)
    said = Reading("BGR", "weights", 0)
    assert [c.question for c in findings.contests] == ["channel order", "values", "label offset"]
    for contest in findings.contests:
        assert contest.is_settled
        assert contest.answer == truth.answer(contest.question)
        assert contest.accuracy.correct == findings.n == len(images)
        assert contest.n_only_rival == 0
        assert contest.card == contest.used == said.answer(contest.question)
        assert contest.is_misread == (contest.answer != contest.card)
    assert findings.not_tried == ()


def test_without_averages_it_says_so_and_asks_the_rest(
    world: World, tmp_path: Path, write_bundle: Write
) -> None:
    prefix = write_bundle(tmp_path / "x", world.variables("weights", "BGR"))
    truth = Reading("BGR", "weights")
    findings = settle(world.card, of_checkpoint(world.card, prefix), world.images(truth))
    assert [c.question for c in findings.contests] == ["channel order", "label offset"]
    assert findings.not_tried == ("the moving averages: the checkpoint holds none",)


def test_averages_alone_are_read(world: World, tmp_path: Path, write_bundle: Write) -> None:
    averages = world.variables("moving averages", "BGR").items()
    prefix = write_bundle(tmp_path / "x", {name + SHADOW: array for name, array in averages})
    found = of_checkpoint(world.card, prefix)
    assert list(found.nets) == ["moving averages"]
    assert "holds only the moving average of" in found.not_tried[0]


def test_another_models_checkpoint_is_refused(
    world: World, tmp_path: Path, write_bundle: Write
) -> None:
    variables = world.variables("weights", "BGR")
    del variables["linear/b"]
    with pytest.raises(WeightsMismatch, match="it has no linear/b"):
        of_checkpoint(world.card, write_bundle(tmp_path / "x", variables))


def test_grey_pictures_and_equal_values_settle_nothing(
    world: World, tmp_path: Path, write_bundle: Write
) -> None:
    weights = world.variables("weights", "RGB")
    both = weights | {name + SHADOW: array for name, array in weights.items()}
    found = of_checkpoint(world.card, write_bundle(tmp_path / "x", both))
    x = world.x.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous()
    images = from_tensors(x, world.nets["weights"](2 * x - 1).argmax(1))
    order, values, _ = settle(world.card, found, images).contests
    for contest in (order, values):
        assert (contest.n_only_answer, contest.n_only_rival, contest.p) == (0, 0, 1.0)
        assert contest.answer == contest.card  # a tie is no word against the card
        assert not contest.is_settled


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_counts_the_throws_of_a_coin(a: int, b: int) -> None:
    row = [1]  # of Pascal's triangle: how many series of a + b throws have 0, 1, ... heads
    for _ in range(a + b):
        row = [left + right for left, right in zip([0, *row], [*row, 0], strict=True)]
    rarer = sum(ways for heads, ways in enumerate(row) if abs(2 * heads - a - b) >= abs(a - b))
    assert sign_test(a, b) == pytest.approx(float(Fraction(rarer, 2 ** (a + b))))
    assert sign_test(a, b) == sign_test(b, a)


def test_what_was_found_goes_into_the_stores_provenance(
    world: World,
    readable: dict[str, Readable],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "find_card", lambda name: world.card)
    prefix, other = world.checkpoints["BGR"], world.checkpoints["RGB"]
    store = Store(tmp_path / "store")
    truth = Reading("BGR", "weights")
    findings = settle(world.card, readable["BGR"], world.images(truth))
    assert record(findings, store, prefix) is None  # nothing is imported yet
    path = import_checkpoint("small-resnet", prefix, store=store)
    before = store.find("small-resnet")
    assert before
    assert record(findings, store, other) is None  # imported from other files
    assert record(findings.model_copy(update={"contests": ()}), store, prefix) is None
    assert store.find("small-resnet") == before
    assert record(findings, store, prefix) == path.with_name("provenance.json")
    after = store.find("small-resnet")
    assert after
    assert Findings.model_validate(after.provenance["readings"]) == findings
    assert {k: v for k, v in after.provenance.items() if k != "readings"} == before.provenance


Doctor = Callable[..., Result]


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Doctor:
    """`sat-zoo doctor small-resnet` on pictures with the labels of a reading."""
    cards = {**registry._cards(), "small-resnet": world.card}
    monkeypatch.setattr(registry, "_cards", lambda: cards)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))

    def run(truth: Reading, *arguments: str | Path) -> Result:
        monkeypatch.setattr(readings, "images", lambda *_, **__: world.images(truth))
        return CliRunner().invoke(doctor.command, ["small-resnet", *map(str, arguments)])

    return run


def test_the_doctor_says_which_reading_wins_and_by_how_much(world: World, run: Doctor) -> None:
    prefix = world.checkpoints["BGR"]
    import_checkpoint("small-resnet", prefix, store=Store())
    done = run(Reading("BGR", "weights"), "--checkpoint", prefix)
    assert done.exit_code == 0, done.output
    order = next(line for line in done.stdout.splitlines() if line.startswith("channel order"))
    assert "BGR" in order
    assert "100.0 %" in order
    assert " : 0 " in order
    assert order.rstrip().endswith("as the card says")
    assert "recorded in" in done.stdout
    assert Store().find("small-resnet").provenance["readings"]["n"] == N  # type: ignore[union-attr]


def test_the_doctor_ends_with_1_and_the_way_out_where_weights_are_misread(
    world: World, run: Doctor
) -> None:
    prefix = world.checkpoints["RGB"]
    done = run(Reading("RGB", "moving averages"), "--checkpoint", prefix, "--json")
    assert [c["answer"] for c in json.loads(done.stdout)["contests"]] == [
        "RGB", "moving averages", "0"
    ]  # fmt: skip
    assert isinstance(done.exception, SatZooError)
    for part in (
        "channel order RGB instead of BGR, values moving averages instead of weights",
        "--checkpoint PREFIX --channel-order RGB --ema",
    ):
        assert part in str(done.exception)


def test_the_doctor_knows_how_the_store_reads_a_checkpoint(world: World, run: Doctor) -> None:
    import_checkpoint(
        "small-resnet", world.checkpoints["RGB"], store=Store(), channel_order="RGB", ema=True
    )
    done = run(Reading("RGB", "moving averages", 1), "--n", N)
    # The card says BGR, the import was told RGB: what the store holds is read as it should be. Of
    # the checkpoint that it was imported from, the same is said.
    again = run(Reading("RGB", "moving averages"), "--checkpoint", world.checkpoints["RGB"])
    assert again.exit_code == 0
    assert "not as the card says: BGR" in again.stdout
    assert "not as the card says: BGR" in done.stdout
    assert "not tried: the weights: converted weights hold one set" in done.stdout
    assert "label offset +1 instead of 0; its numbers here mean nothing" in str(done.exception)


def test_a_model_without_an_official_checkpoint_has_one_reading(bare_card: ModelCard) -> None:
    with pytest.raises(UsageError, match="small-bare has no official checkpoint, so there is one"):
        of_checkpoint(bare_card, Path("anywhere"))
