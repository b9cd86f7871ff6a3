"""Models of RobustBench, with random weights where its own loader looks for the published ones."""

import contextlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from eval.errors import SatZooError, WeightsMismatch, WeightsUnavailable
from eval.executors.cluster.travel import ModelParcel
from eval.files.writing import sha256_of
from tests.bridged import bridged
from tests.commandline import Done
from zoo.foreign import robustbench as bridge

NAME = "robustbench:cifar10/Linf/Carmon2019Unlabeled"
WHOLE = "robustbench:cifar10/Linf/Andriushchenko2020Understanding"
SMALL = "robustbench:imagenet/Linf/Salman2020Do_R18"


def entry(name: str) -> dict[str, Any]:
    data, threat, model = name.removeprefix(bridge.PREFIX).split("/")
    return bridge._catalogue()[data, threat][model]  # type: ignore[return-value]


def place(name: str, home: Path) -> Path:
    return home / "robustbench" / f"{name.removeprefix(bridge.PREFIX)}.pt"


def lay(name: str, home: Path, wrap: Callable[[dict[str, Any]], Any] = lambda state: state) -> Path:
    """A checkpoint of random weights, in the package's own class for that name."""
    torch.manual_seed(0)
    path = place(name, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(wrap(entry(name)["model"]().state_dict()), path)
    return path


@pytest.fixture(autouse=True, scope="module")
def few_layers() -> Iterator[None]:
    """The network of `NAME` in the same class with fewer layers, so that tests are quick."""
    bridged("robustbench")
    from robustbench.model_zoo.architectures.wide_resnet import WideResNet

    with pytest.MonkeyPatch.context() as patch:
        one = lambda: WideResNet(depth=10, widen_factor=1, sub_block1=True)  # noqa: E731
        patch.setitem(entry(NAME), "model", one)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def kept(few_layers: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the weights of `NAME`, for tests that only read them."""
    home = tmp_path_factory.mktemp("home")
    lay(NAME, home)
    return home


@pytest.fixture
def full(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAT_ZOO_HOME", str(kept))
    return kept


def test_a_model_is_what_the_packages_own_loader_makes(full: Path) -> None:
    from robustbench.utils import load_model

    model = zoo.load(NAME)
    theirs = load_model("Carmon2019Unlabeled", full / "robustbench", "cifar10", "Linf")
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(x), theirs(x))
    assert model.source == "library"
    assert model.file_sha256 == sha256_of(place(NAME, full))
    assert model.card.parameters == sum(p.numel() for p in theirs.parameters())
    assert not any(module.training for module in model.modules())
    assert not any(p.requires_grad for p in model.parameters())


def test_a_whole_network_of_which_its_loader_takes_the_last_state(home: Path) -> None:
    from robustbench.utils import load_model

    lay(WHOLE, home, lambda state: {"last": state, "best": {}})
    model = zoo.load(WHOLE)
    name = WHOLE.rpartition("/")[2]
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(model(x), load_model(name, home / "robustbench", "cifar10", "Linf")(x))


def test_an_ensemble_has_no_single_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.models = nn.ModuleList(entry(NAME)["model"]() for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return sum(model(x) for model in self.models)  # type: ignore[no-any-return]

    name = "robustbench:cifar10/Linf/Chen2020Adversarial"
    monkeypatch.setitem(entry(name), "model", Two)
    monkeypatch.setitem(entry(name), "gdrive_id", ["a", "b"])
    path = place(name, home)
    path.parent.mkdir(parents=True)
    for i in range(2):
        torch.save(entry(NAME)["model"]().state_dict(), f"{path}_m{i}.pt")
    model = zoo.load(name)
    assert (model.source, model.file_sha256) == ("library", None)


def test_a_report_names_the_model_and_its_file(full: Path) -> None:
    from eval.report.report import Report

    x, y = torch.rand(2, 3, 32, 32), torch.arange(2)
    report = zoo.evaluate(NAME, images=(x, y), attack="clean", journal=False)
    assert report.model.name == NAME
    assert report.model.source == "library"
    assert report.model.file_sha256 == sha256_of(place(NAME, full))
    assert Report.model_validate_json(report.to_json()) == report


def test_it_travels_to_workers_by_the_names_of_its_classes(full: Path) -> None:
    model = zoo.load(NAME)
    parcel = ModelParcel.of(model, None, pickle.dumps)
    again = parcel.unpacked(pickle.loads)
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(again(x), model(x))


def test_what_is_shown_says_where_the_weights_are(
    sat_zoo: Callable[..., Done], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(kept))
    done = sat_zoo("show", NAME)
    assert done.code == 0
    for said in (NAME, "Linf, eps 8/255", "cifar10, 10 classes", str(place(NAME, kept))):
        assert said in done.out
    assert "Google Drive" in sat_zoo("show", SMALL).out


class Running:
    def __reduce__(self) -> Any:
        return (os.system, ("touch ran",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda state: {"state_dict": state, "args": Running()}, "posix.system.*pickle.*any code"),
        (lambda state: {"state_dict": state, "at": Path("x")}, "asks for pathlib"),
        (lambda state: {"state_dict": dict(list(state.items())[:5])}, "robustbench cannot build"),
        (lambda state: [1, 2, 3], "robustbench cannot build or fill it"),
    ],
)
def test_a_checkpoint_that_needs_code_or_does_not_fit_is_refused(
    home: Path, content: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    lay(NAME, home, content)
    with pytest.raises(SatZooError, match=message):
        zoo.load(NAME)
    assert not (home.parent / "ran").exists()


def test_a_web_page_in_place_of_weights_is_told_with_the_file_to_delete(home: Path) -> None:
    path = place(NAME, home)
    path.parent.mkdir(parents=True)
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")
    with pytest.raises(WeightsMismatch, match=rf"web page: the download has failed.*delete {path}"):
        zoo.load(NAME)


def test_a_truncated_file_is_told_too(home: Path) -> None:
    path = lay(NAME, home)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsMismatch, match=r"no whole file of torch.save"):
        zoo.load(NAME)


def test_parameters_that_the_loader_leaves_random_are_seen(home: Path) -> None:
    # The package fills the networks of ImageNet without being strict.
    def halved(state: dict[str, Any]) -> dict[str, Any]:
        bare = {k.removeprefix("model."): v for k, v in state.items() if "normalize" not in k}
        return {k: v for k, v in bare.items() if not k.startswith(("layer4", "normalize"))}

    lay(SMALL, home, lambda state: {k.removeprefix("model."): v for k, v in state.items()})
    assert zoo.load(SMALL).source == "library"
    from robustbench import utils

    lay(SMALL, home, halved)
    strict = utils._safe_load_state_dict

    def lenient(model: nn.Module, *args: Any) -> nn.Module:
        model.load_state_dict(args[1], strict=False)
        return model

    utils._safe_load_state_dict = lenient
    try:
        with pytest.raises(WeightsMismatch, match="leaves at random numbers without a word"):
            zoo.load(SMALL)
    finally:
        utils._safe_load_state_dict = strict


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Google Drive: writes random weights of `NAME` where the package wants them."""
    from robustbench import utils

    asked: list[Path] = []

    def fetch(gdrive_id: str, path: Path) -> None:
        sys.stdout.write("Download started\n")
        asked.append(Path(path))
        torch.manual_seed(0)
        torch.save(entry(NAME)["model"]().state_dict(), path)

    monkeypatch.setattr(utils, "download_gdrive", fetch)
    return asked


def test_what_is_fetched_stands_under_its_name_once_it_was_loaded(
    home: Path, drive: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = zoo.load(NAME), zoo.load(NAME)
    assert len(drive) == 1
    assert drive[0] != place(NAME, home)
    assert first.file_sha256 == second.file_sha256 == sha256_of(place(NAME, home))
    assert sorted(one.name for one in (home / "robustbench").iterdir()) == ["cifar10"]
    said = capsys.readouterr()
    assert "Download" not in said.out, "stdout belongs to the answer"
    assert "Download" in said.err


def test_what_fails_on_its_way_leaves_nothing_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from requests import ConnectionError as NoNetwork
    from robustbench import utils

    def no_network(gdrive_id: str, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise NoNetwork("no route to host")

    monkeypatch.setattr(utils, "download_gdrive", no_network)
    with pytest.raises(WeightsUnavailable, match=r"not on this machine.*no route to host"):
        zoo.load(NAME)
    monkeypatch.setattr(utils, "download_gdrive", lambda _, path: Path(path).write_text("<html>"))
    with pytest.raises(WeightsMismatch, match="web page"):
        zoo.load(NAME)
    assert not list((home / "robustbench").rglob("*.pt"))
    assert not list((home / "robustbench").iterdir())


def test_reading_as_data_only_ends_with_the_loading(full: Path) -> None:
    before = torch.load
    with contextlib.suppress(SatZooError):
        zoo.load(NAME)
    assert torch.load is before
