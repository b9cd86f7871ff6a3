"""What a page says of a run that ended before all of its images were settled."""

from __future__ import annotations

from eval.report.percent import percent, percent_range
from eval.report.report import OPEN, Report

_ENDED = {
    "until": "as soon as its interval was what was asked for",
    "budget": "when its time was up",
    "interruption": "when it was interrupted",
}


def about_early(report: Report) -> list[str]:
    """In sentences: what is open, what the two intervals are of, how tables count it; or none."""
    part, robust = report.estimate, report.robust
    if part is None or robust is None:
        return []
    said = [
        f"Estimated: the run ended {_ENDED[part.ended_by]}, with"
        f" {report.images.verdicts.count(OPEN):,} of {robust.n:,} images open.",
        f"On these very images the whole run would find {percent_range(*part.full_run)} % robust,"
        f" sure to 95 %{_drawn(report)}.",
        f"For the distribution that the images came from, the 95 % interval is"
        f" {percent_range(*robust.ci95)} %, which the tables show, around a best guess of"
        f" {percent(robust.accuracy)} %.",
    ]
    if part.last_iterates is not None and part.last_iterates_full_run is not None:
        said.append(
            "Of last iterates alone the whole run would find"
            f" {percent_range(*part.last_iterates_full_run)} %; for the distribution the interval"
            f" is {percent_range(*part.last_iterates.ci95)} %."
        )
    said.append("In the table below, open images count as still right.")
    return said


def _drawn(report: Report) -> str:
    part = report.estimate
    if part is None or part.survivors is None:
        return ": the stages on all images were not done"
    return (
        f": of the {part.survivors:,} images that stood after {part.after}, {part.settled:,} were"
        f" attacked to the end in an order drawn by chance and {part.robust:,} stand"
        f" ({part.method})"
    )
