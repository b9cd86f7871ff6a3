"""`python -m eval.bench.anytime`: how soon an evaluation that goes image by image says enough.

No network runs: the verdicts are known, from Reports or made up, and are looked at again in orders
drawn from many seeds, with the code that a run uses. Passes are forwards and backwards, the clean
pass among them. What an image takes in a stage:

- that stands: what `Attack.most_passes` says, or, in a stage that broke nothing in the Report, the
  mean that it counted (FAB's most is a bound that it does not reach);
- that falls: what the Report counted beyond those that stand, divided among those that fell; in a
  stage that broke nothing, as much as one that stands.

An executor has some images of the order under attack beyond the last that the interval needs, a
batch at most; they are not counted, since the run that goes on has use for them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median
from unittest import mock

import click

from eval import estimate
from eval.attacks import build
from eval.bench import tables
from eval.bench.table import RESULTS
from eval.boundary import choose_boundary
from eval.errors import UsageError
from eval.estimate import ConfidenceSequence, drawn_order
from eval.files.writing import check_writable, write_atomically
from eval.report.percent import percent
from eval.report.report import Report
from eval.threat import Threat

PAGE = Path(__file__).parents[2] / "docs" / "anytime.md"
BEGIN, END = "<!-- anytime:begin -->", "<!-- anytime:end -->"
POINTS = (0.5, 1.0, 2.0)
"""Half widths, in percentage points, the smallest first."""

OTHER_PRIOR = (1.0, 1.0)
"""To compare with; a run has `estimate.PRIOR` and no other."""

SURVIVORS = (4_000, 3_722, 3_720, 3_720)
"""Left by each stage of autoattack-standard, of 10,000 images of which 7,000 are right: made up,
and much like the CIFAR-10 pair."""

HEADER = (
    "images",
    "N",
    "right",
    "first stages on all images",
    "s",
    "K",
    *(
        f"±{points:g}: {what}"
        for points in POINTS
        for what in ("survivors", "passes", "survivors with prior (1, 1)", "chosen")
    ),
    "orders",
    "covered",
)


@dataclass(frozen=True)
class Case:
    """Verdicts that are known, and what they cost.

    ids, falls: of the images that are right without an attack; the number of the stage that breaks
    each, or of all stages where it stands. standing, falling: passes of such an image, by stage.
    most: of one that stands, at most, by which a run chooses its boundary.
    """

    name: str
    n: int
    stages: tuple[str, ...]
    ids: tuple[str, ...]
    falls: tuple[int, ...]
    standing: tuple[float, ...]
    falling: tuple[float, ...]
    most: tuple[float, ...]

    def passes(self, stages: range) -> list[float]:
        """Of an image in consecutive `stages`, by the number of the stage that breaks it."""
        falling = [self.falling[i] if i in stages else 0.0 for i in range(len(self.stages))]
        stood = [sum(self.standing[i] for i in stages if i < fall) for fall in range(len(falling))]
        whole = sum(self.standing[i] for i in stages)
        return [*(a + b for a, b in zip(stood, falling, strict=True)), whole]

    @property
    def n_robust(self) -> int:
        """Images that stand after all stages."""
        return self.falls.count(len(self.stages))


def of_report(report: Report, name: str) -> Case:
    """What a Report found. Raises `UsageError` if it has no stage, or images without a verdict."""
    names = tuple(stage.name for stage in report.stages)
    place = {**{name: i for i, name in enumerate(names)}, "robust": len(names)}
    verdicts = zip(report.images.ids, report.images.verdicts, strict=True)
    right = [(one, verdict) for one, verdict in verdicts if verdict != "clean"]
    if not names or any(verdict not in place for _, verdict in right):
        raise UsageError(f"{name} has images that were not attacked to the end: give a whole run's")
    threat = Threat(report.threat.norm, report.threat.eps_text)
    most, standing, falling = [], [], []
    for stage, found in zip(report.protocol.stages, report.stages, strict=True):
        passes = build(stage, threat, report.model.classes).most_passes()
        most.append(float(passes.forwards + 2 * passes.gradients))
        counted, stood = found.forwards + found.backwards, found.attacked - found.broken
        if found.broken == 0:
            standing.append(counted / found.attacked if found.attacked else most[-1])
            falling.append(standing[-1])
        else:
            standing.append(most[-1])
            falling.append(max(0.0, counted - stood * most[-1]) / found.broken)
    return Case(
        name=report.model.name,
        n=report.data.n,
        stages=names,
        ids=tuple(one for one, _ in right),
        falls=tuple(place[verdict] for _, verdict in right),
        standing=tuple(standing),
        falling=tuple(falling),
        most=tuple(most),
    )


def made_up(name: str, n: int, right: int, survivors: Sequence[int], like: Case) -> Case:
    """So many images right, and left by each stage; what they cost as in `like`."""
    left = [right, *survivors]
    falls = [i for i, (before, after) in enumerate(pairwise(left)) for _ in range(before - after)]
    return Case(
        name=name,
        n=n,
        stages=like.stages,
        ids=tuple(str(i) for i in range(right)),
        falls=(*falls, *[len(survivors)] * left[-1]),
        standing=like.standing,
        falling=like.falling,
        most=like.most,
    )


def enlarged(case: Case, times: int) -> Case:
    """A made-up evaluation of `times` as many images with the rates of `case`."""
    left = [sum(fall > i for fall in case.falls) for i in range(len(case.stages))]
    name = f"{case.name}, its rates"
    right = times * len(case.falls)
    return made_up(name, times * case.n, right, [times * count for count in left], case)


@dataclass(frozen=True)
class Replay:
    """One order. survivors, passes: until each half width is reached. covered: all the time."""

    survivors: list[int]
    passes: list[float]
    covered: bool


def replay(case: Case, first: int, seed: int, *, to_the_end: bool = True) -> Replay:
    """Take the verdicts in the order of `seed`, with the boundary after `first` stages."""
    places = [i for i, fall in enumerate(case.falls) if fall >= first]
    order = [places[i] for i in drawn_order([case.ids[i] for i in places], seed)]
    seen, n_stages = ConfidenceSequence(len(order)), len(case.stages)
    widths = [2 * points / 100 * case.n for points in POINTS]
    survivors: list[int] = []
    n_robust, covered = case.n_robust, True
    for i in (None, *order):
        if i is not None:
            seen.take(case.falls[i] == n_stages)
        covered &= seen.low <= n_robust <= seen.high
        while len(survivors) < len(POINTS) and seen.high - seen.low <= widths[-1 - len(survivors)]:
            survivors.append(seen.m)
        if len(survivors) == len(POINTS) and not to_the_end:
            break
    survivors.reverse()
    before, each = case.passes(range(first)), case.passes(range(first, n_stages))
    on_all = case.n + sum(before[fall] for fall in case.falls)
    spent = list(accumulate((each[case.falls[i]] for i in order), initial=on_all))
    return Replay(
        survivors=survivors,
        passes=[spent[m] for m in survivors],
        covered=covered,
    )


def row(case: Case, first: int, n_orders: int) -> tuple[object, ...]:
    """One line of the table: the medians over orders of the seeds 0, 1, ..."""
    replays = [replay(case, first, seed) for seed in range(n_orders)]
    with mock.patch.object(estimate, "PRIOR", OTHER_PRIOR):
        others = [replay(case, first, seed, to_the_end=False) for seed in range(n_orders)]
    each = case.passes(range(len(case.stages)))
    whole = case.n + sum(each[fall] for fall in case.falls)
    right = len(case.falls)
    cells: list[object] = []
    for i, points in enumerate(POINTS):
        cells += [
            f"{median(one.survivors[i] for one in replays):g}",
            f"{median(one.passes[i] for one in replays) / whole:.4f}",
            f"{median(one.survivors[i] for one in others):g}",
            choose_boundary(case.most, case.n, right, points / 100).n_on_all == first,
        ]
    covered = sum(one.covered for one in replays) / n_orders
    s = sum(fall >= first for fall in case.falls)
    begin = (case.name, case.n, right, " ".join(("clean", *case.stages[:first])))
    return *begin, s, case.n_robust, *cells, n_orders, f"{covered:.3f}"


def markdown(text: str) -> str:
    """The table of the CSV `text` as people read it."""
    head = ["images", "N", "first on all images", "s", "K", *(f"±{p:g}" for p in POINTS), "covered"]
    lines = [
        "| " + " | ".join(head) + " |",
        "| --- | ---: | --- " + "| ---: " * (len(head) - 3) + "|",
    ]
    for line in csv.DictReader(io.StringIO(text)):
        cells = [line["images"], f"{int(line['N']):,}", line["first stages on all images"]]
        cells += [f"{int(line[name]):,}" for name in ("s", "K")]
        for points in POINTS:
            said = {
                name: line[f"±{points:g}: {name}"] for name in ("survivors", "passes", "chosen")
            }
            cell = f"{float(said['survivors']):,.0f}, {percent(float(said['passes']))} %"
            cells.append(f"**{cell}**" if said["chosen"] == "True" else cell)
        lines.append("| " + " | ".join([*cells, f"{percent(float(line['covered']))} %"]) + " |")
    return "\n".join(lines)


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--orders", "n_orders", type=click.IntRange(1), default=200, show_default=True)
@click.option("--times", type=click.IntRange(1), default=10, show_default=True, help="Enlarged so.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the table, CSV, to this file.")
@click.option(
    "--write-readme",
    is_flag=True,
    help="Keep the table in eval/bench_results and write it into docs/anytime.md.",
)
def command(
    reports: tuple[Path, ...], n_orders: int, times: int, out: Path | None, write_readme: bool
) -> None:
    """How many survivors and passes an interval takes: REPORTS of AutoAttack, and simulations."""
    out = out or (RESULTS / "anytime.csv" if write_readme else None)
    if out is not None:
        check_writable(out)
    cases = [of_report(Report.read(path), path.name) for path in reports]
    if any(len(case.stages) != len(SURVIVORS) for case in cases):
        raise UsageError("REPORTS holds one that is not of autoattack-standard: leave it out")
    simulated = made_up("simulated", 10_000, 7_000, SURVIVORS, cases[0])
    lines = [tables.line(HEADER)]
    for case, boundaries in [
        (simulated, (0, 1, 2)),
        *((case, (1, 2)) for case in cases),
        *((enlarged(case, times), (1, 2)) for case in cases),
    ]:
        for first in boundaries:
            lines.append(tables.line(row(case, first, n_orders)))
            click.echo(lines[-1], nl=False)
    text = "".join(lines)
    if out is not None:
        write_atomically(out, text.encode())
    if write_readme:
        written = tables.between(PAGE.read_text("utf-8"), BEGIN, END, markdown(text))
        write_atomically(PAGE, written.encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
