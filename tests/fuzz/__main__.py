"""`python -m tests.fuzz`: one case again, or many for some minutes. See the package."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import click

from tests.fuzz.batch import Tally, run_batch
from tests.fuzz.case import Tried
from tests.fuzz.child import quiet_home
from tests.fuzz.formats import FORMATS, format_named

BATCH = 100
KINDS = ("refused", "accepted", "failed")


def main() -> int:
    """Exit code 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="Default: all.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="Only this case, in this process.")
    parser.add_argument("--cases", type=int, default=300, help="Of each format.")
    parser.add_argument("--minutes", type=float, help="Go on for so long, whatever --cases says.")
    parser.add_argument("--jobs", type=int, default=1, help="Formats tried at the same time.")
    parser.add_argument("--out", type=Path, help="Write the counts there, as JSON.")
    options = parser.parse_args()
    names = options.format or list(FORMATS)
    if options.case is not None:
        return max(_again(name, options.seed, options.case) for name in names)
    started = time.monotonic()
    tallies = _many(names, options.seed, options.cases, options.minutes, options.jobs)
    _print(tallies)
    if options.out:
        options.out.write_text(json.dumps(_counts(tallies, started), indent=2) + "\n")
    return int(any(tally.failures for tally in tallies.values()))


def _again(name: str, seed: int, number: int) -> int:
    """One case, told in full; what was damaged is kept."""
    scratch = Path(tempfile.mkdtemp(prefix="sat-zoo-fuzz-"))
    quiet_home(scratch)
    outcome = Tried(format_named(name), scratch / "cases").case(seed, number)
    click.echo(f"{name} seed {seed} case {number}: {outcome.damage}")
    click.echo(f"{outcome.kind}: {outcome.why}")
    if outcome.kind == "failed":
        click.echo(outcome.trace, nl=False)
    click.echo(f"the damaged files are in {scratch / 'cases' / 'case'}")
    return int(outcome.kind == "failed")


def _many(
    names: list[str], seed: int, n_cases: int, minutes: float | None, jobs: int
) -> dict[str, Tally]:
    """Batches of every format in turn, each format in one process at a time."""
    tallies = {name: Tally() for name in names}
    until = None if minutes is None else time.monotonic() + 60 * minutes
    first = 0

    def tried(name: str) -> None:
        if until is None or time.monotonic() < until:
            run_batch(name, seed, first, end, tallies[name])
            click.echo(f"{name}: {end} cases, {dict(tallies[name].counts)}", err=True)

    with ThreadPoolExecutor(jobs) as pool:
        while time.monotonic() < until if until is not None else first < n_cases:
            end = first + BATCH if until is not None else min(first + BATCH, n_cases)
            list(pool.map(tried, names))
            first = end
    return tallies


def _print(tallies: dict[str, Tally]) -> None:
    click.echo(f"{'format':12}{'cases':>8}{'refused':>9}{'accepted':>9}{'failures':>9}")
    for name, tally in tallies.items():
        counts = (tally.n_cases, *(tally.counts[kind] for kind in KINDS))
        click.echo(f"{name:12}{counts[0]:8,}" + "".join(f"{count:9,}" for count in counts[1:]))
    for tally in tallies.values():
        for failure in tally.failures:
            click.echo(str(failure))


def _counts(tallies: dict[str, Tally], started: float) -> dict[str, object]:
    packages = ("torch", "pillow", "numpy", "pydantic", "safetensors", "timm", "sat-zoo")
    return {
        "command": shlex.join(["python", "-m", "tests.fuzz", *sys.argv[1:]]),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds": round(time.monotonic() - started),
        "versions": {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in packages},
        },
        "formats": {
            name: {
                "cases": tally.n_cases,
                **{kind: tally.counts[kind] for kind in KINDS},
            }
            for name, tally in tallies.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
