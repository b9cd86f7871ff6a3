"""`python -m zoo.evidence`: make the adversarial images of a model's committed Reports again."""

from __future__ import annotations

from pathlib import Path

import click

from eval.bench.tables import run
from eval.errors import UsageError

EXAMPLES = """\b
Examples:
  python -m zoo.evidence resnet8-silu-sat-digits resnet8-relu-at-digits
  python -m zoo.evidence resnet18-w16-silu-sat-cifar10 --data-dir ~/cifar10 --out evidence"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--report", "reports", multiple=True, help="Only these files.  [default: all]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write.  [default: zoo/families/FAMILY/evidence]",
)
@click.option("--batch-size", type=click.IntRange(1), help="Images in one pass.")
@click.option("--device", default="cpu", show_default=True)
def main(
    names: tuple[str, ...],
    reports: tuple[str, ...],
    data_dir: Path | None,
    folder: Path | None,
    batch_size: int | None,
    device: str,
) -> None:
    """Run the attack of each committed Report of NAME again, and keep its adversarial images."""
    from zoo.evidence.make import make

    done: set[str] = set()
    for name in names:
        for path, replayed in make(
            name,
            only=lambda result: not reports or result.file in reports,
            folder=folder,
            data_dir=data_dir,
            batch_size=batch_size,
            device=device,
        ):
            done.add(f"{path.stem}.json")
            click.echo(
                f"{path}: {path.stat().st_size:,} bytes, {replayed.n_broken} images, at most"
                f" {replayed.n_robust} of {replayed.report.data.n} robust"
            )
    if missing := set(reports) - done:
        raise UsageError(f"--report {sorted(missing)[0]} is no attack's Report of these models")


if __name__ == "__main__":
    run(lambda: main(standalone_mode=False))
