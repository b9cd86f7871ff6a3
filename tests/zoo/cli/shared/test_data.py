"""Choosing images on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from eval import Report
from eval.data import open_data
from eval.data.cifar10 import cifar10
from eval.data.cifar10.exact import Pictures
from eval.errors import DataError
from zoo import images
from zoo.cli.shared.data import download_bar
from zoo.pictures import SUBSET_SEED
from zoo.registry import card

DIGITS = "resnet8-silu-sat-digits"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
Run = Callable[..., Any]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Ten class folders of four grey pictures of 8x8, as the digits models take them."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        folder = tmp_path / "own" / name
        folder.mkdir(parents=True)
        for k in range(4):
            levels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(levels).save(folder / f"{k}.png")
    return tmp_path / "own"


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES))
    return path


def evaluated(sat_zoo: Run, *args: str) -> tuple[Report, str]:
    done = sat_zoo("eval", DIGITS, "--attack", "clean", "--json", *args)
    assert done.code == 0, done.err
    return Report.model_validate_json(done.out), done.err


def test_own_pictures_are_a_path_and_a_file_of_classes(
    sat_zoo: Run, tree: Path, names: Path
) -> None:
    report, said = evaluated(sat_zoo, "--data", str(tree), "--classes", str(names))
    assert (report.data.name, report.data.n, report.data.official_subset) == ("folder", 40, False)
    assert report.images.labels == tuple(i // 4 for i in range(40))
    assert said == "sat-zoo: folder (all): class folders, 10 of 10 classes\n"
    sorted_names, _ = evaluated(sat_zoo, "--data", str(tree))
    assert sorted_names.images.ids[0].startswith("eight/")


def test_a_subset_of_own_pictures_is_drawn_and_balanced_on_request(
    sat_zoo: Run, tree: Path, names: Path
) -> None:
    own = ("--data", str(tree), "--classes", str(names))
    few, _ = evaluated(sat_zoo, *own, "--n", "10", "--balanced")
    more, _ = evaluated(sat_zoo, *own, "--n", "25", "--balanced")
    assert sorted(few.images.labels) == list(range(10))
    assert set(few.images.ids) < set(more.images.ids)
    drawn, _ = evaluated(sat_zoo, *own, "--n", "10")
    assert len(set(drawn.images.labels)) > 3  # not the first ten, which are of three classes
    assert drawn.data.ids_sha256 != few.data.ids_sha256


def test_digits_are_taken_in_order_unless_balanced(sat_zoo: Run) -> None:
    first, said = evaluated(sat_zoo, "--n", "20")
    assert first.images.ids == open_data("digits").take(20).ids
    assert first.data.official_subset
    assert said == ""
    fair, _ = evaluated(sat_zoo, "--n", "20", "--balanced")
    assert sorted(fair.images.labels) == sorted(2 * list(range(10)))
    assert fair.data.official_subset is False


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--data", "TREE/zero"], 1, "holds no pictures in class folders|lies in no class folder"),
        (["--data", "TREE/zero/0.png"], 1, "0.png is a file; name a folder"),
        (["--data", "./gone"], 1, "gone does not exist; name a folder that holds one folder a"),
        (["--data", "TREE", "--data-dir", "TREE"], 2, "--data TREE is a folder, and --data-dir"),
        (["--classes", "NAMES"], 2, "digits has its own classes; a file of classes is for"),
        (["--data", "TREE", "--classes", "gone.txt"], 1, "gone.txt cannot be read"),
        (["--balanced"], 2, "--balanced without --n: say how many"),
        (["--download"], 2, "digits cannot be downloaded; only cifar10 can"),
        (["--data", "cifar10", "--download-to", "x"], 2, "--download-to x without --download"),
        (["--n", "5", "--ids", "IDS"], 2, "unknown id of digits (test) 'n0/ILSVRC2012_val_0"),
    ],
)
def test_a_mistake_is_one_sentence(
    sat_zoo: Run, tree: Path, names: Path, args: list[str], code: int, message: str
) -> None:
    ids = names.with_name("ids.txt")
    ids.write_text("0\nn0/ILSVRC2012_val_00000001.JPEG\n")
    places = {"TREE": str(tree), "NAMES": str(names), "IDS": str(ids)}
    for word, place in places.items():
        args = [arg.replace(word, place) for arg in args]
        message = message.replace(word, place)
    done = sat_zoo("eval", DIGITS, "--attack", "clean", *args)
    assert done.code == code
    assert any(one in done.err for one in message.split("|")), done.err
    assert done.err.count("\n") == 1


def test_labels_of_another_number_of_classes_are_refused_before_any_attack(
    sat_zoo: Run, tree: Path, names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eval.evaluation.evaluate", lambda *_, **__: pytest.fail("attacked"))
    names.write_text("\n".join([*NAMES, "ten"]))
    done = sat_zoo("eval", DIGITS, "--data", str(tree), "--classes", str(names))
    assert done.code == 1
    assert "folder has 11 classes, but the model resnet8-silu-sat-digits tells 10 apart" in done.err
    assert "list the 10 classes of the model" in done.err


def test_data_made_for_other_models_is_refused() -> None:
    with pytest.raises(DataError, match=r"digits has 10 classes, .* use the data that the model"):
        images(card("resnet50-silu-sat"), data="digits")


def test_cifar10_is_fetched_only_when_asked_and_the_bar_stays_away_from_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[Path] = []

    def fetch(url: str, path: Path, **how: Any) -> Path:
        how["on_progress"](10, how["size"])
        fetched.append(path)
        return path

    blank = Pictures(np.zeros((20, 3, 32, 32), np.uint8), np.zeros(20, np.uint8))
    monkeypatch.setattr(cifar10, "fetch", fetch)
    monkeypatch.setattr(cifar10, "read_batches", lambda *_: blank)
    monkeypatch.setattr(cifar10, "proved", lambda found, *_: found)
    monkeypatch.delenv("SAT_ZOO_DATA", raising=False)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    model = card("resnet18-w16-silu-sat-cifar10")
    with pytest.raises(DataError, match="let `sat-zoo eval` fetch it with --download"):
        images(model, n=5)
    assert fetched == []
    with download_bar() as bar:
        found = images(model, n=5, download=True, on_progress=bar)
        images(model, n=5, download=True, download_to=tmp_path / "x", on_progress=bar)
    assert (found.name, len(found)) == ("cifar10", 5)
    assert capsys.readouterr() == ("", "")
    name = "cifar-10-python.tar.gz"
    assert fetched == [tmp_path / "data" / name, tmp_path / "x" / name]


def test_imagenets_subset_is_seeded_and_a_larger_one_contains_it(shared: Path) -> None:
    classes = shared / "data/imagenet-sample/classes.txt"
    options = {"data": shared / "data/imagenet-sample", "classes": classes, "decoders": 0}
    model = card("resnet50-silu-sat")
    few, more = (images(model, n=n, **options) for n in (10, 50))
    assert set(few.ids) < set(more.ids)
    assert few.n_classes == 1000
    whole = images(model, **options)
    assert few.ids == whole.subset(10, seed=SUBSET_SEED).ids


def test_what_is_passed_over_is_said_once_and_flagged(
    sat_zoo: Run, tree: Path, names: Path
) -> None:
    for name in ("two/a.heic", "two/b.heic", "three/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    report, said = evaluated(sat_zoo, "--data", str(tree), "--classes", str(names), "--n", "20")
    sentence = "passed over and no part of the data: 2 files ending in .heic (such as two/a.heic)"
    assert said.count("passed over") == 1
    assert f"sat-zoo: folder: {sentence}\n" in said
    assert [one.detail for one in report.flags if one.code == "passed-over-files"] == [sentence]
