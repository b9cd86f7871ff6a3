"""Records as Markdown, and the tables in eval/README.md, which always say what the records say."""

from __future__ import annotations

from pathlib import Path

from eval.bench import tables
from eval.bench.record import Answer, BenchRecord, Comparison, ContenderRow, StageRow
from eval.files.writing import write_atomically
from eval.report.percent import percent, percent_range

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parents[1] / "bench_results"
ROUNDING = 1e-6
"""Of accuracies that are means in float32."""

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def write_readme() -> None:
    """Replace what stands between the markers of eval/README.md by the tables of all records."""
    write_atomically(README, with_tables(README.read_text("utf-8"), RESULTS).encode())


def with_tables(text: str, results: Path) -> str:
    """`text` with the tables of the records in `results`, in the order of their file names.

    Raises `ReportError` if the markers are not there, or a record cannot be read.
    """
    paths = sorted(results.glob("*.json"))
    found = [markdown(BenchRecord.read(path), path.name) for path in paths]
    body = "\n\n".join(found) or "No benchmark has been recorded yet."
    return tables.between(text, BEGIN, END, body)


def markdown(record: BenchRecord, file_name: str) -> str:
    """The tables of one record, under a heading."""
    machine = record.machine
    processor = ", ".join(filter(None, [machine.processor, machine.instructions]))
    spread = " (± half the spread)" if record.repeats > 1 else ""
    lines = [
        f"### {record.model}, {record.n} images of {record.data}, {record.norm} eps {record.eps}",
        "",
        f"`{file_name}`, {record.created}, commit {record.commit}, by",
        "",
        f"    {record.command}",
        "",
        f"{machine.device}: {processor}, {machine.threads} threads, torch {machine.torch},"
        f" Python {machine.python}; matrix products reach {machine.matmul_fp32:,.0f} GFLOP/s in"
        f" fp32 and {machine.matmul_bf16:,.0f} in bf16; `--precision auto` takes"
        f" {machine.auto_precision} here. {record.parameters:,} parameters,"
        f" {_multiply_adds(record)}. Batches of {record.batch_size}, seed"
        f" {record.seed}, one warm-up, {_count(record.repeats, 'repeat')}: median seconds"
        f"{spread}.",
    ]
    for comparison in record.comparisons:
        lines += ["", *_table(comparison)]
    if record.answer is not None:
        lines += ["", _answer(record.answer, record.comparisons[0])]
    if record.notes:
        lines += ["", *(f"- {note}" for note in record.notes)]
    return "\n".join(lines)


def _answer(answer: Answer, whole: Comparison) -> str:
    """How soon it was there, beside the whole runs of the authors' package and of ours."""
    theirs, ours = whole.rows[:2]
    seconds, (low, high) = answer.seconds.median, answer.full_run
    passes = (answer.forwards + answer.backwards) / (ours.forwards + ours.backwards)
    exact = ours.robust_accuracy
    is_inside = low - ROUNDING <= exact <= high + ROUNDING
    return (
        f"A valid interval of ± {answer.points:g} points: after"
        f" **{_seconds(seconds, answer.seconds.spread)}**, which is"
        f" {seconds / theirs.seconds.median:.2f} of {theirs.name}'s whole time and"
        f" {seconds / ours.seconds.median:.2f} of ours, {answer.precision}; {answer.forwards:,}"
        f" forwards and {answer.backwards:,} backwards, {percent(passes)} % of our passes. With"
        f" {answer.after} the last stage on all images and {answer.settled:,} of"
        f" {answer.survivors:,} survivors settled it is {percent_range(low, high)} %, and"
        f" {'holds' if is_inside else 'does not hold'} the whole run's"
        f" {percent(exact, digits=2)} %."
    )


def _multiply_adds(record: BenchRecord) -> str:
    """How many an image takes, and where known the milliseconds of them at the peak."""
    forward, backward = record.multiply_adds, record.multiply_adds_backward
    if backward is None:
        return f"{forward:,} multiply-adds an image"
    ms = 2 / record.machine.matmul_fp32 / 1e6
    return (
        f"{forward:,} multiply-adds an image forward and {backward:,} backward; the roof in fp32:"
        f" {forward * ms:.3g} ms a forward and {(forward + backward) * ms:.3g} ms a gradient (both"
        " ways)"
    )


def _table(comparison: Comparison) -> list[str]:
    rows = comparison.rows
    first = rows[0]
    lines = [
        "| " + " | ".join([comparison.protocol, *(_title(row) for row in rows)]) + " |",
        "| " + " | ".join(["---", *("---:" for _ in rows)]) + " |",
    ]
    for i, stage in enumerate(first.stages):
        cells = [_stage_cell(row.stages[i], first.stages[i], row is first) for row in rows]
        lines.append(_line(stage.name, cells))
    lines += [
        _line("**total**", [f"**{_total_cell(row, row is first)}**" for row in rows]),
        _line("clean accuracy", [f"{percent(row.clean_accuracy, digits=2)} %" for row in rows]),
        _line("robust accuracy", [f"{percent(row.robust_accuracy, digits=2)} %" for row in rows]),
        _line("other verdicts", ["" if row is first else _differing(row) for row in rows]),
        _line("claims refused", [str(row.n_rejected) for row in rows]),
        _line("forwards", [f"{row.forwards:,}" for row in rows]),
        _line("backwards", [f"{row.backwards:,}" for row in rows]),
        *_roof(rows),
        _line("time in start", [_share(row, "start") for row in rows]),
        _line("time in the network", [_share(row, "network") for row in rows]),
        _line("time in attack arithmetic", [_share(row, "arithmetic") for row in rows]),
        _line("time in verification", [_share(row, "verification") for row in rows]),
        _line("time in input and output", [_share(row, "io") for row in rows]),
        _line("peak memory", [_bytes(row.peak_memory_bytes) for row in rows]),
    ]
    return lines


def _roof(rows: tuple[ContenderRow, ...]) -> list[str]:
    first = rows[0].seconds.median
    roofs = [f"{row.roof:.3g} s ({row.roof / first:.2f})" for row in rows]
    shares = [percent(row.roof / row.seconds.median, digits=0) for row in rows]
    return [
        _line("roof: these passes at the peak", roofs),
        _line("share of the roof", [f"{share} %" for share in shares]),
    ]


def _line(name: str, cells: list[str]) -> str:
    return "| " + " | ".join([name, *cells]) + " |"


def _title(row: ContenderRow) -> str:
    # "ours auto" does not say what it searched in.
    precision = "" if row.precision in row.name else f", {row.precision}"
    return f"{row.name}{precision} ({row.version})"


def _stage_cell(stage: StageRow, first: StageRow, is_first: bool) -> str:
    seconds = _seconds(stage.seconds.median, stage.seconds.spread)
    if is_first or stage.name == "clean":  # what others prepare there is not what we do
        return seconds
    return f"{seconds} ({stage.seconds.median / first.seconds.median:.2f})"


def _total_cell(row: ContenderRow, is_first: bool) -> str:
    seconds = _seconds(row.seconds.median, row.seconds.spread)
    return seconds if is_first else f"{seconds} ({row.ratio:.2f})"


def _seconds(median: float, spread: float) -> str:
    # A single repeat has no spread to show.
    return f"{median:.3g} ± {spread / 2:.2g} s" if spread else f"{median:.3g} s"


def _differing(row: ContenderRow) -> str:
    return f"{row.n_differ} ({row.n_missed} missed)"


def _share(row: ContenderRow, part: str) -> str:
    return "" if row.shares is None else f"{percent(getattr(row.shares, part))} %"


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e9:.2f} GB"


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
