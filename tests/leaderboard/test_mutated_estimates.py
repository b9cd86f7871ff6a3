"""A report that calls itself an estimate is believed only where its verdicts give its numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval import Report
from eval.errors import ReportError
from leaderboard.results import RESULTS
from leaderboard.submit import add
from tests.leaderboard.early import ended_early

WHOLE = Report.read(RESULTS / "resnet8-silu-sat-digits.autoattack.json")
CUT = ended_early(WHOLE, 100, after="apgd-ce")
Content = dict[str, Any]
Change = Callable[[Content], None]


def verdict(old: str, new: str, which: int = 0) -> Change:
    """One image with the verdict `old` gets another."""

    def change(content: Content) -> None:
        verdicts = content["images"]["verdicts"]
        verdicts[[i for i, it in enumerate(verdicts) if it == old][which]] = new

    return change


def put(dotted: str, value: Any) -> Change:
    def change(content: Content) -> None:
        *parents, last = dotted.split(".")
        for parent in parents:
            content = content[int(parent)] if isinstance(content, list) else content[parent]
        content[int(last) if isinstance(content, list) else last] = value

    return change


def both(*changes: Change) -> Change:
    def change(content: Content) -> None:
        for one in changes:
            one(content)

    return change


def swap(content: Content) -> None:
    """An image that is settled changes places with one that is open: every count stays."""
    both(verdict("open", "swapped"), verdict("robust", "open"), verdict("swapped", "robust"))(
        content
    )


def reordered(content: Content) -> None:
    """Other names, so that the order drawn from them is another."""
    ids = content["images"]["ids"]
    ids[0], ids[1] = ids[1], ids[0]


PART = CUT.estimate
LOW, HIGH = PART.full_run
WIDE_LOW, WIDE_HIGH = CUT.robust.ci95
CHANGES: dict[str, Change] = {
    "an open image is robust": verdict("open", "robust"),
    "another open image is robust": verdict("open", "robust", 90),
    "an open image is broken": verdict("open", "apgd-t"),
    "an open image is wrong without an attack": verdict("open", "clean"),
    "an open image fell to a stage on all": verdict("open", "apgd-ce"),
    "a robust image is open": verdict("robust", "open"),
    "another robust image is open": verdict("robust", "open", 50),
    "an image that a stage on all broke is open": verdict("apgd-ce", "open"),
    "a wrong image is open": verdict("clean", "open"),
    "a robust image fell": verdict("robust", "square"),
    "a settled and an open image change places": swap,
    "another seed": put("seed", 1),
    "a larger seed": put("seed", 12345),
    "other ids": reordered,
    "no estimate": put("estimate", None),
    "not estimated": put("robust.estimated", False),
    "neither": both(put("estimate", None), put("robust.estimated", False)),
    "clean is estimated": put("clean.estimated", True),
    "a narrower interval from below": put("estimate.full_run", [LOW + 0.01, HIGH]),
    "a narrower interval from above": put("estimate.full_run", [LOW, HIGH - 0.01]),
    "a wider interval": put("estimate.full_run", [LOW - 0.01, HIGH + 0.01]),
    "an empty interval": put("estimate.full_run", [HIGH, LOW]),
    "a narrower distribution": put("robust.ci95", [WIDE_LOW + 0.01, WIDE_HIGH]),
    "the interval of these images as the distribution's": put("robust.ci95", [LOW, HIGH]),
    "a better guess": put("robust.accuracy", HIGH),
    "open images counted as right": put("robust.correct", PART.robust + 185),
    "more settled": put("estimate.settled", PART.settled + 1),
    "more that stand": put("estimate.robust", PART.robust + 1),
    "fewer survivors": put("estimate.survivors", 100),
    "no survivors": put("estimate.survivors", None),
    "drawn before the stage on all": put("estimate.after", "clean"),
    "drawn after another stage": put("estimate.after", "apgd-t"),
    "drawn after the last stage": put("estimate.after", "square"),
    "drawn after no stage of the protocol": put("estimate.after", "pgd-20"),
    "nothing drawn": put("estimate.after", None),
    "another method": put("estimate.method", "wilson@1"),
    "ended by nobody": put("estimate.ended_by", "luck"),
    "last iterates that no stage has": put("estimate.right_at_end", "1"),
    "a stage attacked more": put("stages.1.attacked", 285),
    "a stage left fewer": put("stages.3.accuracy_after", 0.1),
    "more images stored": put("survive_8bit.n", CUT.survive_8bit.n + 185),
}


def test_there_are_enough_of_them_and_the_report_itself_is_taken(tmp_path: Path) -> None:
    assert len(CHANGES) >= 30
    CUT.write(tmp_path / "mine.json")
    assert add(tmp_path / "mine.json", tmp_path / "results").report == CUT


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_estimate_is_refused(
    change: Change, tmp_path: Path, sat_zoo: Callable[..., Any]
) -> None:
    content = json.loads(CUT.to_json())
    change(content)
    assert content != json.loads(CUT.to_json())
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=r"^report .*mine\.json"):
        add(path, tmp_path / "results", force=True)
    assert not [*tmp_path.glob("results/*")]
    done = sat_zoo("verify", path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("sat-zoo: report ")


def _ends(content: Content) -> str:
    return str(content["estimate"]["right_at_end"])


def flipped(which: int) -> Change:
    """The last iterate of one settled image is the other thing."""

    def change(content: Content) -> None:
        ends = _ends(content)
        other = "01"[ends[which] == "0"]
        content["estimate"]["right_at_end"] = ends[:which] + other + ends[which + 1 :]

    return change


OF_ENDS: dict[str, Change] = {
    "a last iterate is wrong": flipped(0),
    "another last iterate is wrong": flipped(7),
    "one fewer": lambda content: put("estimate.right_at_end", _ends(content)[1:])(content),
    "one more": lambda content: put("estimate.right_at_end", _ends(content) + "1")(content),
    "none": put("estimate.right_at_end", None),
    "not what follows": put("estimate.last_iterates", None),
    "no interval": put("estimate.last_iterates_full_run", None),
    "a narrow interval": put("estimate.last_iterates_full_run", [0.74, 0.76]),
    "a better guess": put("estimate.last_iterates.accuracy", 0.8),
    "exact": put("estimate.last_iterates.estimated", False),
}


@pytest.mark.parametrize("change", OF_ENDS.values(), ids=OF_ENDS.keys())
def test_changed_last_iterates_are_refused(
    change: Change, made: Callable[..., Report], tmp_path: Path
) -> None:
    verdicts = ["robust", "robust", "robust", "pgd-sat-10", "clean"] * 20
    cut = ended_early(made(verdicts, protocol="pgd-sat-10@1"), 40)
    path = tmp_path / "mine.json"
    cut.write(path)
    assert Report.read(path) == cut
    content = json.loads(cut.to_json())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=r"^report .*mine\.json"):
        add(path, tmp_path / "results", force=True)
