"""The Report that a run would have left, had it ended before its last image."""

from __future__ import annotations

from typing import Any

from eval.estimate import Tally, drawn_order
from eval.report.parts import OPEN, Accuracy, EstimatePart
from eval.report.report import Report


def ended_early(whole: Report, settled: int, *, after: str = "clean", seed: int = 0) -> Report:
    """`whole`, had it ended with `settled` images of its drawn order attacked to the end."""
    content = whole.model_dump(by_alias=True, mode="json")
    content["seed"] = seed
    ids, verdicts = whole.images.ids, list(whole.images.verdicts)
    names = ["clean", *(stage.name for stage in whole.protocol.stages)]
    before = names[: names.index(after) + 1]
    standing = [i for i, verdict in enumerate(verdicts) if verdict not in before]
    order = [standing[i] for i in drawn_order([ids[i] for i in standing], seed)]
    for i in order[settled:]:
        verdicts[i] = OPEN
    tally = Tally(order, len(ids))
    tally.advance(lambda i: None if verdicts[i] == OPEN else verdicts[i] == "robust")
    known = tally.estimate
    ends = None
    if whole.protocol.stages[-1].needs_last_iterate:
        ends = "".join("01"[verdicts[i] == "robust"] for i in order[:settled])
        known = type(known)(**{**vars(known), "last_iterates": tally.estimate})
    content["images"]["verdicts"] = verdicts
    content["robust"] = Accuracy.of_estimate(known).model_dump(mode="json")
    content["estimate"] = EstimatePart.of(
        known, ended_by="until", after=after, right_at_end=ends
    ).model_dump(mode="json")
    _recount(content, len(before) - 1)
    return Report.model_validate(content)


def _recount(content: dict[str, Any], n_on_all: int) -> None:
    """Stages and stored images, as the verdicts have them."""
    verdicts = content["images"]["verdicts"]
    left, n_open = len(verdicts) - verdicts.count("clean"), verdicts.count(OPEN)
    content["survive_8bit"] = {"broken_after_rounding": 0, "n": 0}
    for i, stage in enumerate(content["stages"]):
        stage["attacked"] = left if i < n_on_all else left - n_open
        stage["broken"] = verdicts.count(stage["name"])
        stage["rejected"] = min(stage["rejected"], stage["attacked"])
        left -= stage["broken"]
        stage["accuracy_after"] = left / len(verdicts)
        stage["last_iterate_accuracy"] = None
        content["survive_8bit"]["n"] += stage["broken"]
