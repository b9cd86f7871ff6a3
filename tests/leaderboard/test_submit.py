"""Only reports that can be true are stored."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from eval import Report
from eval.errors import ReportError
from leaderboard.bundled import bundled_digest
from leaderboard.columns import column
from leaderboard.results import RESULTS, run_key
from leaderboard.submit import add, canonical_name

Make = Callable[..., Report]
DIGITS = RESULTS / "resnet8-silu-sat-digits.autoattack.json"


def written(report: Report, folder: Path) -> Path:
    path = folder / "mine.json"
    report.write(path)
    return path


def changed(folder: Path, **changes: Any) -> Path:
    """The committed report with some values, by dotted path, replaced."""
    content = json.loads(DIGITS.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        node = content
        for parent in parents:
            node = node[parent]
        node[last] = value
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_committed_report_would_be_taken(path: Path, tmp_path: Path) -> None:
    done = add(path, tmp_path / "new")
    assert done.path.parent == tmp_path / "new"
    assert Report.read(done.path) == Report.read(path)
    assert re.fullmatch(
        rf"{done.report.model.name}\.[a-z0-9-]+\.[0-9a-f]{{8}}\.json", done.path.name
    )


def test_the_digest_of_bundled_weights_needs_no_torch() -> None:
    report = Report.read(DIGITS)
    assert bundled_digest(zoo.card(report.model.name)) == report.model.weights_sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robust__correct": 275}, "robust.correct is 275 but the images say 276"),
        ({"data__n": 400}, "data.n is 400 but the images say 360"),
        ({"data__ids_sha256": "0123" * 16}, "data.ids_sha256 is 0123"),
        ({"survive_8bit__n": 80}, "survive_8bit.n is 80, but the rest of it says 81"),
        ({"threat__eps_text": "8/255"}, "threat.eps is 0.1875, but the rest of it says 0.03137"),
        ({"protocol__name": "magic"}, "its protocol is unknown: unknown attack 'magic'"),
        ({"protocol__name": "autoattack-plus@1"}, "its stages are not those of protocol"),
        ({"protocol__name": "autoattack"}, "its stages are not those of protocol 'autoattack'"),
        (
            {"model__weights_sha256": "abcd" * 16},
            "model.weights_sha256 is abcdabcdabcd, but the weights bundled with"
            " resnet8-silu-sat-digits have 7cce532bef78",
        ),
        ({"model__parameters": 1}, "model.parameters is 1, but the card of"),
        ({"model__classes": 11}, "model.classes is 11, but the card of"),
        ({"model__name": "another"}, "no weights are bundled with a model named 'another'"),
        ({"seconds": -1.0}, "seconds: Input should be greater than or equal to 0"),
        ({"schema": "sat-zoo/report@2"}, "use the sat-zoo that wrote it"),
        ({"images": {"ids": [], "labels": [], "verdicts": []}}, "images.ids is empty"),
    ],
)
def test_an_impossible_report_is_refused_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = changed(tmp_path, **changes)
    with pytest.raises(ReportError, match=re.escape(message)) as caught:
        add(path, tmp_path / "new")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_weaker_stages_under_the_name_of_a_protocol_are_refused(tmp_path: Path) -> None:
    protocol = json.loads(DIGITS.read_text())["protocol"]
    protocol["stages"][0]["steps"] = 10
    with pytest.raises(ReportError, match="so its number is of another attack"):
        add(changed(tmp_path, protocol=protocol), tmp_path / "new")


def without_fallback(report: Report) -> Report:
    """As it was written before stages had a fallback loss."""
    content = json.loads(report.to_json())
    for stage in content["protocol"]["stages"]:
        del stage["fallback_loss"]
    return Report.model_validate(content)


@pytest.mark.parametrize(("attack", "broken"), [("pgd-50", 1), ("pgd-20", 0), ("fgsm", 1)])
def test_numbers_from_before_the_fallback_are_taken_but_not_in_l2(
    made: Make, tmp_path: Path, attack: str, broken: int
) -> None:
    verdicts = ["robust", attack if broken else "robust", "clean", "robust"]
    new = made(verdicts, protocol=attack)
    old = without_fallback(new)
    assert run_key(old) != run_key(new)
    assert column(old) == f"{column(new)} no fallback"
    assert add(written(old, tmp_path), tmp_path / "new").replaced == ()
    assert add(written(new, tmp_path), tmp_path / "new").replaced == ()
    in_l2 = without_fallback(made(verdicts, protocol=attack, norm="L2", eps="0.5"))
    with pytest.raises(ReportError, match="small gradients counted as none: evaluate again"):
        add(written(in_l2, tmp_path), tmp_path / "new")
    add(written(made(verdicts, protocol=attack, norm="L2", eps="0.5"), tmp_path), tmp_path / "new")


def test_images_that_the_data_set_does_not_have_are_refused(made: Make, tmp_path: Path) -> None:
    many = made(["robust"] * 361, data="digits")
    with pytest.raises(ReportError, match=r"data\.n is 361, but digits has 360 images"):
        add(written(many, tmp_path), tmp_path / "new")
    wrong = changed(tmp_path, images__labels=[10] * 360)
    with pytest.raises(ReportError, match="label 10 is not one of the model's 10 classes"):
        add(wrong, tmp_path / "new")
    chosen = made(ids=["3", "1", "2", "0"], data="cifar10", official=True)
    with pytest.raises(ReportError, match="the ids are not those of the first 4 images of cifar10"):
        add(written(chosen, tmp_path), tmp_path / "new")


def test_a_step_size_of_ones_own_is_a_protocol_that_we_know(made: Make, tmp_path: Path) -> None:
    done = add(written(made(step_size="1/255"), tmp_path), tmp_path / "new")
    assert done.path.name.startswith("somebody-s-net.pgd-50-step-1-255.")


def test_a_second_report_of_one_run_needs_force(made: Make, tmp_path: Path) -> None:
    new = tmp_path / "new"
    first = add(written(made(), tmp_path), new)
    again = made(created="2026-05-05T00:00:00Z")
    with pytest.raises(ReportError, match=re.escape(f"of the same run as {first.path}, made 2026")):
        add(written(again, tmp_path), new)
    with pytest.raises(ReportError, match="is among the results already"):
        add(first.path, new)
    done = add(written(again, tmp_path), new, force=True)
    assert done.replaced == (first.path,)
    assert [Report.read(path).created for path in new.iterdir()] == ["2026-05-05T00:00:00Z"]
    assert add(written(made(seed=1), tmp_path), new).path != first.path


def test_a_replaced_report_under_another_name_goes(tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / DIGITS.name).write_bytes(DIGITS.read_bytes())
    (new / "notes.json").write_text("{}")
    done = add(DIGITS, new, force=True)
    assert {path.name for path in new.iterdir()} == {done.path.name, "notes.json"}


@pytest.mark.parametrize("name", ["../../evil", "a/b\\c", "<script>", "-", "x" * 200, ".."])
def test_no_name_leaves_the_folder(made: Make, tmp_path: Path, name: str) -> None:
    report = made(model=name)
    assert re.fullmatch(r"[a-z0-9-]+\.pgd-50\.[0-9a-f]{8}\.json", canonical_name(report))
    assert add(written(report, tmp_path), tmp_path / "new").path.parent == tmp_path / "new"


def test_a_folder_that_cannot_be_is_named(made: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = written(made(), tmp_path)
    with pytest.raises(ReportError, match=r"--results .*file cannot be made"):
        add(path, tmp_path / "file")
