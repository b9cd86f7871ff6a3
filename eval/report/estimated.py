"""The estimate of a Report with open images, computed again from its verdicts, ids and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from eval.estimate import Estimate, Tally, before_the_draw, drawn_order
from eval.report.parts import OPEN, EstimatePart

if TYPE_CHECKING:
    from eval.report.report import Report


def estimate_of(report: Report) -> Estimate:
    """What follows from the verdicts of a Report that has an estimate.

    Raises `ValueError` where they cannot be those of a run that ended early: the settled images are
    the first ones of the order that its ids and its seed give.
    """
    part = report.estimate
    if part is None:
        raise ValueError("the report has no estimate: all of its images are settled")
    if part.after is None:
        verdicts = report.images.verdicts
        n_robust, n_open = verdicts.count("robust"), verdicts.count(OPEN)
        return before_the_draw(len(verdicts), n_robust + n_open, n_robust)
    tally = _tally(report, part.after)
    tally.advance(lambda i: _outcome(report.images.verdicts[i]))
    known = tally.estimate
    if early := [i for i in tally.order[known.m :] if report.images.verdicts[i] != OPEN]:
        raise ValueError(
            f"image {report.images.ids[early[0]]!r} is settled, but one that was drawn before it is"
            " open"
        )
    return known


def narrowing(report: Report) -> Sequence[tuple[int, int, int]]:
    """How the interval narrowed: (m, low, high) as counts, see `Tally.trace`.

    Of a whole run, how it would have done so, had it gone image by image after its first stage, or
    after the clean pass where it has but one. Empty before the order is drawn.
    """
    names = ["clean", *(stage.name for stage in report.protocol.stages)]
    after = report.estimate.after if report.estimate else names[min(1, len(names) - 2)]
    if after is None or len(names) == 1:
        return ()
    tally = _tally(report, after)
    tally.advance(lambda i: _outcome(report.images.verdicts[i]))
    return tally.trace


def checked_estimate(report: Report) -> Estimate | None:
    """What follows from the verdicts of a Report with open images; None of a whole run.

    Computed once, for all that a reader compares with it. Raises `ValueError` where the estimate
    that it states says otherwise.
    """
    n_open, part, robust = report.images.verdicts.count(OPEN), report.estimate, report.robust
    is_estimated = robust is not None and robust.estimated
    if {part is not None, is_estimated, n_open > 0} == {True, False}:
        raise ValueError(
            f"{n_open} images are open, robust.estimated is {is_estimated} and estimate is"
            f" {'there' if part else 'null'}: these go together"
        )
    if report.clean.estimated:
        raise ValueError("clean.estimated is true, but every image was classified")
    if part is None:
        return None
    stage = report.protocol.stages[-1]
    has_ends = part.after is not None and stage.needs_last_iterate
    if has_ends != (part.right_at_end is not None):
        what = "missing, but" if has_ends else "there, but no order was drawn or"
        has = "has last iterates" if has_ends else "has no last iterates"
        raise ValueError(f"estimate.right_at_end is {what} stage {stage.name} {has}")
    if any(result.last_iterate_accuracy is not None for result in report.stages):
        raise ValueError(
            "last_iterate_accuracy is there, but images are open: see estimate.last_iterates"
        )
    known = estimate_of(report)
    if part.right_at_end is not None and part.after is not None:
        ends = _last_iterates(report, part.after, part.right_at_end, known.m)
        known = replace(known, last_iterates=ends)
    again = EstimatePart.of(
        known, ended_by=part.ended_by, after=part.after, right_at_end=part.right_at_end
    )
    said = part.model_dump()
    for name, value in again.model_dump().items():
        if said[name] != value:
            raise ValueError(f"estimate.{name} is {said[name]}, but the images say {value}")
    return known


def _last_iterates(report: Report, after: str, right_at_end: str, m: int) -> Estimate:
    """What follows for last iterates, of which `right_at_end` has one sign for each of m images."""
    tally = _tally(report, after)
    settled = tally.order[:m]
    if len(right_at_end) != m:
        raise ValueError(f"estimate.right_at_end does not speak of {m} settled images")
    is_right = {i: sign == "1" for i, sign in zip(settled, right_at_end, strict=True)}
    if wrong := [i for i in settled if report.images.verdicts[i] == "robust" and not is_right[i]]:
        raise ValueError(f"image {report.images.ids[wrong[0]]!r} is robust, but wrong at its end")
    tally.advance(is_right.get)
    return tally.estimate


def _tally(report: Report, after: str) -> Tally:
    """Nothing taken yet; raises `ValueError` for a stage after which nothing could be drawn."""
    verdicts, ids = report.images.verdicts, report.images.ids
    names = ["clean", *(stage.name for stage in report.protocol.stages)]
    if after not in names[:-1]:
        raise ValueError(f"estimate.after is {after!r}, but after that no stage is left")
    before = {*names[: names.index(after) + 1]}
    survivors = [i for i, verdict in enumerate(verdicts) if verdict not in before]
    order = drawn_order([ids[i] for i in survivors], report.seed)
    return Tally([survivors[i] for i in order], len(ids))


def _outcome(verdict: str) -> bool | None:
    return None if verdict == OPEN else verdict == "robust"
