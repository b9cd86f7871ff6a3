"""Reports of runs that ended early, and what may be asked for."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from eval import Report, evaluate, protocol
from eval.data import ImageSet
from eval.ending import EarlyEnd
from eval.errors import ReportError, UsageError
from eval.narrowing import narrowing_spec
from eval.report.estimated import narrowing

pytestmark = pytest.mark.usefixtures("short_autoattack")
OPTIONS: dict[str, Any] = {"eps": "1/40", "batch_size": 8, "precision": "fp32"}


def mutations(said: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Estimated Reports that cannot be: name and content."""
    verdicts, n = said["images"]["verdicts"], len(said["images"]["ids"])

    def changed(**parts: Any) -> dict[str, Any]:
        return {**said, **parts}

    def with_verdict(place: int, verdict: str) -> dict[str, Any]:
        new = [*verdicts]
        new[place] = verdict
        return changed(images={**said["images"], "verdicts": new})

    yield "no estimate", changed(estimate=None)
    yield "exact after all", changed(robust={**said["robust"], "estimated": False})
    yield "another seed", changed(seed=said["seed"] + 1)
    yield "clean estimated", changed(clean={**said["clean"], "estimated": True})
    yield "an open image robust", with_verdict(verdicts.index("open"), "robust")
    yield "a robust image open", with_verdict(verdicts.index("robust"), "open")
    yield "an open image broken", with_verdict(verdicts.index("open"), "square")
    yield "a broken image open", with_verdict(verdicts.index("apgd-ce"), "open")
    low, high = said["estimate"]["full_run"]
    for name, value in {
        "full_run": [low + 1 / n, high],
        "after": "square",
        "survivors": said["estimate"]["survivors"] - 1,
        "settled": said["estimate"]["settled"] + 1,
        "robust": 0,
        "method": "guess@1",
        "ended_by": "luck",
        "right_at_end": "11",
        "last_iterates": said["robust"],
    }.items():
        yield name, changed(estimate={**said["estimate"], name: value})
    stages = [{**one, "last_iterate_accuracy": 0.5} for one in said["stages"]]
    yield "exact last iterates", changed(stages=stages)
    yield "after nothing", changed(estimate={**said["estimate"], "after": None})
    yield "narrower", changed(robust={**said["robust"], "ci95": [low, high]})
    guess = said["robust"]["accuracy"]
    yield "another guess", changed(robust={**said["robust"], "accuracy": guess - 1 / n})
    yield (
        "more correct",
        changed(robust={**said["robust"], "correct": said["robust"]["correct"] + 1}),
    )


def test_a_reader_believes_no_estimate_that_it_does_not_compute_itself(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    report = evaluate(tiny_net, tiny_data, until=8, **OPTIONS)
    said, path = json.loads(report.to_json()), tmp_path / "r.json"
    path.write_text(json.dumps(said))
    assert Report.read(path) == report
    believed = []
    for name, content in mutations(said):
        path.write_text(json.dumps(content))
        with suppress(ReportError):
            Report.read(path)
            believed.append(name)
    assert believed == []


def test_the_plot_shows_what_the_report_says(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = evaluate(tiny_net, tiny_data, until=8, **OPTIONS)
    part = report.estimate
    assert part is not None
    m, low, high = narrowing(report)[-1]
    assert (m, low / 60, high / 60) == (part.settled, *part.full_run)
    values = narrowing_spec(report)["data"]["values"]
    assert values[-1] == {"done": m, "low": 100 * low / 60, "high": 100 * high / 60}
    widths = [point["high"] - point["low"] for point in values]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("until", [0, -1, 51, float("nan"), "wide", True, "1 %", []])
def test_a_width_that_cannot_be_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, until: Any
) -> None:
    with pytest.raises(UsageError, match=r"`until` .* is no half width of an interval in perc"):
        evaluate(tiny_net, tiny_data, until=until, **OPTIONS)


@pytest.mark.parametrize("budget", ["30", "m", "1h30", "-5m", "0s", "5 min", 30, "1e9m", "1w"])
def test_a_time_that_cannot_be_is_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, budget: Any
) -> None:
    with pytest.raises(UsageError, match=r"`budget` .* is no time: give a number above 0 with its"):
        evaluate(tiny_net, tiny_data, budget=budget, **OPTIONS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172800), ("1.5 h", 5400)],
)
def test_times_are_read_with_their_units(text: str, seconds: float) -> None:
    assert EarlyEnd.of(None, text, protocol("pgd-5"), "fast").seconds == seconds


@pytest.mark.parametrize("options", [{"until": 1.0}, {"budget": "5m"}])
def test_an_end_is_refused_where_nothing_could_be_estimated(
    tiny_net: nn.Module, tiny_data: ImageSet, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"`{name}` ends an attack, and attack 'clean' attacks"):
        evaluate(tiny_net, tiny_data, attack="clean", **options)
    with pytest.raises(UsageError, match=f"`{name}` needs images in an order drawn by chance"):
        evaluate(tiny_net, tiny_data, engine="reference", **options)
