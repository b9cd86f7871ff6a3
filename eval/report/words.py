"""A Report in one line, and what to do about a file that is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from eval.fingerprint import fingerprint, short
from eval.stage import step_in_pixels

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from eval.report.report import Report


def one_line(report: Report) -> str:
    """What was measured on what, the numbers, and the codes of the flags."""
    parts = [
        f"{report.model.name} on {report.data.n} of {report.data.name} ({report.data.split})",
        f"clean {100 * report.clean.accuracy:.1f} %",
    ]
    if report.robust is not None:
        threat = f"{report.threat.norm} eps {report.threat.eps_text}"
        robust = f"robust {100 * report.robust.accuracy:.1f} %"
        if report.estimate is not None:
            low, high = report.estimate.full_run
            robust = f"robust estimated {100 * low:.1f} to {100 * high:.1f} %"
        parts.append(f"{robust} ({attack_of(report)}, {threat})")
    codes = dict.fromkeys(flag.code for flag in report.flags)
    return f"Report({', '.join([*parts, *(f'flag {code}' for code in codes)])})"


def attack_of(report: Report) -> str:
    """The protocol's name, and what deviates from it: "pgd-50 step 1/255".

    A step that is not eps/4 makes another attack of pgd-K, often a weaker one, and the name of the
    protocol alone does not tell.
    """
    words = report.protocol.name
    for stage in report.protocol.stages:
        if stage.attack == "pgd":
            step = step_in_pixels(stage, report.threat.eps)
            if not math.isclose(step, report.threat.eps / 4):
                words += f" step {stage.step_size}"
    return words


def attack_id(report: Report) -> str:
    """`attack_of` with the fingerprint of what was run: "pgd-50 step 1/255#550c1446cd7f"."""
    return f"{attack_of(report)}{short(fingerprint(report.protocol.stages))}"


def advice(error: ErrorDetails) -> str:
    """What to do about a broken report, where that is known."""
    where = error["loc"][0] if error["loc"] else ""
    if where == "schema" and str(error["input"]).startswith("sat-zoo/report@"):
        return f", this one is {str(error['input'])[:40]!r}: use the sat-zoo that wrote it"
    if where == "images":
        return "; without each image's verdict no total can be checked: write it with sat-zoo eval"
    return ""
