"""What a Report's parts allow each other to be, where one does not follow from the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eval.errors import UsageError
from eval.foreign import is_foreign
from eval.report.parts import StageResult
from eval.report.passes import least
from eval.stage import Stage, step_in_pixels

if TYPE_CHECKING:
    from eval.report.report import Report

_FASTEST = 1e10
"""Images through a network in a second: a linear layer on small pictures, as fast as memory."""

_NEAR = 1e-6
"""How far a share times its number of images may lie from a whole number, by rounding alone."""


def contradiction(report: Report) -> str:
    """The first thing in `report` that cannot be beside the rest of it, "" if there is none."""
    return next(_contradictions(report), "")


def _contradictions(report: Report) -> Iterator[str]:
    n, classes = len(report.images.ids), report.model.classes
    if wrong := [label for label in report.images.labels if label >= classes]:
        yield f"images.labels: label {wrong[0]} is not one of the model's {classes} classes"
    if report.engine.name == "reference" and report.engine.precision != "fp32":
        yield f"engine.precision is {report.engine.precision}, but engine reference has fp32 alone"
    for stage in report.protocol.stages:
        try:
            step_in_pixels(stage, report.threat.eps)
        except UsageError as error:
            yield f"protocol.stages: {stage.name}: {error}"
    for result in report.stages:
        if result.rejected and not result.attacked:
            yield (
                f"stage {result.name}: rejected is {result.rejected}, but no image was attacked,"
                " so that none was claimed to be broken"
            )
    for stage, result in zip(report.protocol.stages, report.stages, strict=True):
        if report.estimate is None or result.last_iterate_accuracy is not None:
            yield from _last_iterates(stage, result, n)
        yield from _passes(report, stage, result)
    yield from _seconds(report)


def _passes(report: Report, stage: Stage, result: StageResult) -> Iterator[str]:
    """Of what a stage says that it found, it did the work."""
    found, engine = f"{result.attacked} attacked and {result.broken} broken", report.engine.name
    need = least(stage, result, report.model.classes, engine)
    for what, said, wanted in (
        ("forwards", result.forwards, need.forwards),
        ("backwards", result.backwards, need.backwards),
    ):
        if said < wanted:
            yield (
                f"stage {result.name}: {what} is {said:,}, but {found} images take {wanted:,}"
                " passes or more"
            )
    # The package of AutoAttack's authors takes several gradients of one pass, as others do.
    if engine == "fast" and not is_foreign(stage) and result.backwards > result.forwards:
        yield (
            f"stage {result.name}: backwards is {result.backwards:,} and forwards only"
            f" {result.forwards:,}, but there is no way back without one there"
        )


def _seconds(report: Report) -> Iterator[str]:
    """Passes take time, and the whole run as long as its stages."""
    for result in report.stages:
        n_passes = result.forwards + result.backwards
        if n_passes > _FASTEST * result.seconds:
            yield (
                f"stage {result.name}: seconds is {result.seconds}, in which nothing computes"
                f" {n_passes:,} passes"
            )
    together = sum(result.seconds for result in report.stages)
    if report.seconds < 0.99 * together - 1:
        yield f"seconds is {report.seconds:g}, but the stages took {together:g} together"
    if not report.seconds:
        yield "seconds is 0, but to look at images takes some time"


def _last_iterates(stage: Stage, result: StageResult, n: int) -> Iterator[str]:
    """Of the images attacked, those not broken are right at the last iterate, the rest may be."""
    share = result.last_iterate_accuracy
    if share is None:
        if stage.needs_last_iterate:
            yield f"stage {result.name}: last_iterate_accuracy is missing, but was asked for"
        return
    what = f"stage {result.name}: last_iterate_accuracy is {share}"
    n_right, least = round(share * n), result.attacked - result.broken
    if abs(share * n - n_right) > _NEAR:
        yield f"{what}, which is no share of {n} images"
    if n_right < least:
        yield (
            f"{what}, that is {n_right} of {n} images, but the {least} that the stage did not break"
            " were right at their last iterate too"
        )
    if n_right > result.attacked:
        yield (
            f"{what}, that is {n_right} of {n} images, but only {result.attacked} were right before"
            " the stage"
        )
