"""`python -m eval.bench.quick REPORTS`: what `quick@1` leaves standing that the standard breaks.

From Reports of both protocols in one folder, for every model, images and ball that have both: the
table in docs/protocols.md is what this prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from eval.bench import tables
from eval.errors import ReportError
from eval.files.writing import write_atomically
from eval.report.percent import percent
from eval.report.report import Report

QUICK, STANDARD = "quick@1", "autoattack-standard@1"
PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
BEGIN, END = "<!-- quick:begin -->", "<!-- quick:end -->"
HEADER = (
    "model",
    "images",
    "clean",
    "quick@1, at most",
    "standard",
    "gap, points",
    "only quick / only standard broke",
    "passes, quick",
    "passes, standard",
    "ratio",
)


def pairs(folder: Path) -> Iterator[tuple[Report, Report]]:
    """Reports of quick and of the standard by our engine, on the same model, images and ball."""
    reports = [Report.read(path) for path in sorted(folder.glob("*.json"))]
    ours = [report for report in reports if report.engine.name == "fast"]
    for quick in ours:
        for standard in ours:
            names = (quick.protocol.name, standard.protocol.name)
            if names == (QUICK, STANDARD) and _subject(quick) == _subject(standard):
                yield quick, standard


def _subject(report: Report) -> tuple[object, ...]:
    data, threat = report.data, report.threat
    digests = (report.model.weights_sha256, data.ids_sha256, data.pixels_sha256)
    return (*digests, threat.norm, threat.eps, report.seed)


def passes(report: Report) -> int:
    """Images sent through the network in all stages, forward and backward."""
    return sum(stage.forwards + stage.backwards for stage in report.stages)


def markdown(folder: Path) -> str:
    """The table of all pairs in `folder`; raises `ReportError` where there is none."""
    lines = [_row(HEADER), _row(("---", *["---:"] * (len(HEADER) - 1)))]
    for quick, standard in pairs(folder):
        if quick.robust is None or standard.robust is None:  # which a protocol with stages has
            continue
        stand = [
            {one for one, verdict in zip(report.images.ids, report.images.verdicts, strict=True)
             if verdict == "robust"}
            for report in (quick, standard)
        ]  # fmt: skip
        lines.append(
            _row(
                (
                    f"`{quick.model.name}`",
                    f"{quick.data.n:,} of {quick.data.name}",
                    f"{percent(quick.clean.accuracy)} %",
                    f"{percent(quick.robust.accuracy)} %",
                    f"{percent(standard.robust.accuracy)} %",
                    f"{100 * (quick.robust.accuracy - standard.robust.accuracy):+.2f}",
                    f"{len(stand[1] - stand[0])} / {len(stand[0] - stand[1])}",
                    f"{passes(quick):,}",
                    f"{passes(standard):,}",
                    f"{passes(standard) / passes(quick):.1f}",
                )
            )
        )
    if len(lines) == 2:
        raise ReportError(
            f"{folder} has no Reports of {QUICK} and {STANDARD} of one model: make both with"
            " sat-zoo eval --out"
        )
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def with_table(text: str, folder: Path) -> str:
    """`text` with the table between its markers; raises `ReportError` if they are not there."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ReportError(f"the page needs one line {BEGIN} and one line {END} for the table")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{markdown(folder)}\n{END}{rest.split(END)[1]}"


@click.command()
@click.argument("reports", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--write-readme", is_flag=True, help="Also put the table into docs/protocols.md.")
def command(reports: Path, *, write_readme: bool) -> None:
    """Print the table of quick@1 beside autoattack-standard@1 from the Reports in a folder."""
    click.echo(markdown(reports))
    if write_readme:
        write_atomically(PAGE, with_table(PAGE.read_text("utf-8"), reports).encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
