"""`zoo.evaluate` is the command, in Python."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from eval import Report, open_data
from eval.data import from_tensors
from eval.errors import DataError, ModelError, UsageError
from tests.zoo.cli.test_eval_models import FILE, MODULE, NAME, said_of_file
from zoo.model import ZooModel

Run = Callable[..., Any]
BALL = {"norm": "Linf", "eps": "3/16"}
MOVES = {"command", "created", "seconds"}


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A model of the user's own, which `--factory homemade:build` makes too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "homemade", raising=False)
    (tmp_path / "homemade.py").write_text(MODULE)
    import homemade

    built: nn.Module = homemade.build()
    return built.eval()


def said(report: Report) -> dict[str, Any]:
    """All of a Report that does not say when, by whom and how fast it was made."""
    whole = {k: v for k, v in report.model_dump(mode="json").items() if k not in MOVES}
    stages = [{k: v for k, v in one.items() if k != "seconds"} for one in whole["stages"]]
    return {**whole, "stages": stages}


def commanded(sat_zoo: Run, *args: str) -> Report:
    done = sat_zoo("eval", *args, "--json", "--fresh")
    assert done.code == 0, done.err
    return Report.model_validate_json(done.out)


def test_a_model_of_the_zoo_is_measured_as_the_command_does(sat_zoo: Run) -> None:
    there = commanded(sat_zoo, NAME, "--attack", "pgd-5", "--n", "32", "--balanced")
    by_name = zoo.evaluate(NAME, attack="pgd-5", n=32, balanced=True, fresh=True)
    in_memory = zoo.evaluate(zoo.load(NAME), attack="pgd-5", n=32, balanced=True, fresh=True)
    assert said(by_name) == said(in_memory) == said(there)
    assert by_name.threat.eps_text == "3/16"
    assert (by_name.model.name, by_name.model.source) == (NAME, "bundled")
    assert by_name.command == ""


def test_a_file_is_measured_as_the_command_does(sat_zoo: Run) -> None:
    options = [*said_of_file(), "--norm", "Linf", "--eps", "3/16", "--attack", "pgd-5", "--n", "32"]
    there = commanded(sat_zoo, str(FILE), *options)
    card = zoo.card(NAME)
    here = zoo.evaluate(
        FILE, arch=card.arch, arch_args=card.arch_args, activation="silu", n_classes=10, size=8,
        mean=[0.5], std=[0.5], data="digits", **BALL, attack="pgd-5", n=32, fresh=True,
    )  # fmt: skip
    assert said(here) == said(there)
    assert here.model.file_sha256 is not None


def test_a_model_of_ones_own_is_measured_as_the_command_does(sat_zoo: Run, ours: nn.Module) -> None:
    options = ["--data", "digits", "--norm", "Linf", "--eps", "3/16", "--attack", "pgd-5"]
    there = commanded(sat_zoo, "--factory", "homemade:build", *options, "--n", "32")
    here = zoo.evaluate(
        ours, name="homemade:build", data="digits", **BALL, attack="pgd-5", n=32, fresh=True
    )
    assert said(here) == said(there)
    assert (here.model.source, here.model.file_sha256) == ("factory", None)


def test_both_keep_their_verdicts_in_one_journal(sat_zoo: Run) -> None:
    heard: list[str] = []
    commanded(sat_zoo, NAME, "--attack", "pgd-5", "--n", "16")
    how: dict[str, Any] = {"attack": "pgd-5", "n": 16, "on_message": heard.append}
    zoo.evaluate(NAME, **how, journal=False)
    assert not any("verdicts known" in text for text in heard)
    zoo.evaluate(NAME, **how)
    assert any("verdicts known" in text for text in heard)


def test_own_images_are_measured_without_a_name_of_a_data_set(ours: nn.Module) -> None:
    digits = open_data("digits").take(16)
    here = zoo.evaluate(ours, images=digits, **BALL, attack="clean")
    assert here.model.name == "Ours"
    assert said(here) == said(zoo.evaluate(ours, data="digits", n=16, **BALL, attack="clean"))
    batch = digits.batch(range(16))
    pair = zoo.evaluate(NAME, images=(batch.x, batch.y), attack="clean")
    assert pair.images.verdicts == here.images.verdicts
    assert (pair.data.name, pair.data.official_subset) == ("custom", False)


def test_ids_are_a_file_or_a_sequence_and_paths_are_text(tmp_path: Path) -> None:
    ids = open_data("digits").ids[5:2:-1]
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    assert zoo.images(NAME, ids=ids).ids == ids
    assert zoo.images(zoo.card(NAME), ids=str(tmp_path / "ids.txt")).ids == ids
    out = tmp_path / "report.json"
    report = zoo.evaluate(NAME, ids=ids, attack="clean", out=str(out))
    assert Report.read(out) == report


def changed() -> ZooModel:
    model = zoo.load(NAME)
    next(model.parameters()).mul_(1.5)
    return model


def test_changed_weights_are_nobodys_but_the_callers() -> None:
    for model in (changed(), zoo.load(NAME, pretrained=False), zoo.load(NAME).half()):
        with pytest.raises(ModelError, match="not resnet8-silu-sat-digits as it was loaded"):
            zoo.evaluate(model, n=8, attack="clean")
    report = zoo.evaluate(changed(), n=8, attack="clean", name="mine")
    assert (report.model.name, report.model.source) == ("mine", "factory")
    assert report.model.file_sha256 is None
    assert report.threat.eps_text == "3/16"


def hooked() -> ZooModel:
    model = zoo.load(NAME)
    model.net.register_forward_pre_hook(lambda _, given: (given[0] / 2,))
    return model


def patched() -> ZooModel:
    model = zoo.load(NAME)
    forward = model.forward
    model.forward = lambda x: forward(x / 2)  # type: ignore[method-assign]
    return model


def with_relu() -> ZooModel:
    """What makes a twin of another activation by hand, with the same weights."""
    model = zoo.load(NAME)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if "SiLU" in type(child).__name__:
                setattr(module, name, nn.ReLU().eval())
    return model


def normalised() -> ZooModel:
    model = zoo.load(NAME)
    model.mean = model.mean + 0.1
    return model


@pytest.mark.parametrize("changed_so", [hooked, patched, with_relu, normalised])
def test_another_forward_with_the_same_weights_is_nobodys_but_the_callers(
    changed_so: Callable[[], ZooModel],
) -> None:
    assert zoo.load(NAME).is_as_loaded()
    with pytest.raises(ModelError, match="not resnet8-silu-sat-digits as it was loaded"):
        zoo.evaluate(changed_so(), n=8, attack="clean")
    report = zoo.evaluate(changed_so(), n=8, attack="clean", name="mine")
    assert (report.model.name, report.model.source) == ("mine", "factory")


class Fields(nn.Module):
    """As models of transformers answer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = zoo.load(NAME)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.inner(x)}


@pytest.mark.parametrize("model", [Fields(), zoo.load(NAME).net.half(), zoo.load(NAME).double()])
def test_classes_are_counted_of_whatever_can_be_measured(model: nn.Module) -> None:
    report = zoo.evaluate(
        model.eval(), name="mine", data=None if isinstance(model, ZooModel) else "digits",
        n=8, **BALL, attack="clean",
    )  # fmt: skip
    assert report.model.classes == 10


def test_a_model_in_train_mode_is_refused_untouched(ours: nn.Module) -> None:
    norm = next(m for m in ours.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()  # type: ignore[union-attr, operator]
    with pytest.raises(ModelError, match="is in train mode"):
        zoo.evaluate(ours.train(), data="digits", **BALL)
    assert torch.equal(before, norm.running_mean)  # type: ignore[arg-type]


X, Y = torch.rand(4, 1, 8, 8), torch.arange(4)


@pytest.mark.parametrize(
    ("model", "said", "error", "message"),
    [
        (NAME, {"name": "x"}, UsageError, "name 'x' is for a model of your own"),
        (NAME, {"images": (X, Y), "n": 3}, UsageError, "n 3 chooses images, and images= gives"),
        (NAME, {"images": (X, Y), "data": "digits"}, UsageError, "data 'digits' chooses images"),
        (NAME, {"images": (X, Y), "balanced": True}, UsageError, "balanced True chooses images"),
        (NAME, {"images": (X[..., :7], Y)}, UsageError, r"have shape \(1, 8, 7\) and"),
        (NAME, {"images": (X[..., :7], Y)}, UsageError, r"choose images of that size$"),
        (NAME, {"images": (X, Y + 9)}, DataError, "custom has 13 classes, but the model"),
        (NAME, {"norm": "L2"}, UsageError, "the model's own eps 3/16 is for Linf"),
        (NAME, {"eps": 0}, UsageError, "eps"),
        (NAME, {"attack": "pdg-5"}, UsageError, "pdg-5"),
        (NAME, {"arch": "resnet50"}, UsageError, "is a model of the zoo, and its card says"),
        (NAME, {"out": "nowhere/report.json"}, Exception, "`out` nowhere/report.json: the folder"),
        (3, {}, UsageError, "model is a int: give a name of"),
        (nn.Flatten(), {}, UsageError, "a model of your own has no data set of its own"),
        (nn.Flatten(), {"data": "digits"}, UsageError, "has no threat model of its own"),
        (nn.Flatten(), {"data": "imagenet", **BALL}, UsageError, "which one a model of your own t"),
        (nn.Flatten(), {"data": "digits", "mean": [0.5]}, UsageError, "makes the whole model"),
        (nn.Flatten(), {"weights": "w", "data": "digits"}, UsageError, "a model in memory has its"),
        (nn.Flatten(), {"images": (X, Y), "size": 9}, UsageError, "leave it out"),
        (nn.Flatten(), {"images": (X[..., :7], Y)}, UsageError, "8 x 7 and not square"),
        (zoo.load(NAME), {"size": 9}, UsageError, "was loaded, and its card says this"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_before_any_attack(
    model: Any, said: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        zoo.evaluate(model, **{"attack": "clean", **said})
    assert "\n" not in str(caught.value)


def test_images_of_many_classes_are_refused_for_an_own_model_of_few(ours: nn.Module) -> None:
    hundred = from_tensors(X, Y, n_classes=100)
    with pytest.raises(DataError, match="custom has 100 classes, but the model Ours tells 10"):
        zoo.evaluate(ours, images=hundred, **BALL, attack="clean")


def test_numbers_mean_the_same_ball_as_their_texts() -> None:
    words = {"attack": "pgd-2", "n": 8, "journal": None}
    text = zoo.evaluate(NAME, eps="8/255", norm="Linf", **words)
    assert said(zoo.evaluate(NAME, eps=8 / 255, norm=float("inf"), **words)) == said(text)
    assert said(zoo.evaluate(NAME, eps="8.0/255", **words)) == said(text)


@pytest.mark.parametrize("eps", [0, 0.0314, ""])
def test_an_eps_that_cannot_be_is_not_taken_for_none(eps: float | str) -> None:
    with pytest.raises(UsageError, match="eps"):
        zoo.evaluate(NAME, eps=eps)


def test_each_function_names_its_own_argument() -> None:
    with pytest.raises(UsageError) as caught:
        zoo.evaluate(NAME, n_classes=3)
    assert caught.value.arguments == ("n_classes",)
    with pytest.raises(UsageError) as caught:
        zoo.load(NAME, classes=3)
    assert caught.value.arguments == ("classes",)
    with pytest.raises(UsageError) as caught:
        zoo.evaluate(NAME, balanced=True)
    assert caught.value.arguments == ("balanced", "n")
