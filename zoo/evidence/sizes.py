"""`python -m zoo.evidence.sizes`: bytes of adversarial images, stored in each way there is."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from eval.bench.tables import run

if TYPE_CHECKING:
    from eval.evidence.packing import Floats

HEADER = (
    "images",
    "float32",
    "float32, zlib",
    "uint8 + float32 delta",
    "the same, zlib",
    "evidence",
    "of it clean pixels",
)

EXAMPLE = """\b
Example:
  python -m zoo.evidence.sizes zoo/families/digits/evidence/*.safetensors --imagenet PICTURES"""


@click.command(epilog=EXAMPLE)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--imagenet",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also of pictures in class folders at 224, attacked through random weights.",
)
@click.option("--n", type=click.IntRange(1), default=4, show_default=True, help="Of --imagenet.")
def main(files: tuple[Path, ...], data_dir: Path | None, imagenet: Path | None, n: int) -> None:
    """Print megabytes for 1,000 images, of evidence and of what `save_adversarial` wrote."""
    rows = [(path.name, *_of_file(path, data_dir)) for path in files]
    if imagenet is not None:
        rows.append((f"{n} pictures at 224, 10 steps", *_of_pictures(imagenet, n)))
    click.echo(f"| {' | '.join(HEADER)} |\n| --- |{' ---: |' * (len(HEADER) - 1)}")
    for name, x_adv, x, eps in rows:
        cells = [f"{size / len(x_adv) * 1000 / 1e6:.4g}" for size in sizes(x_adv, x, eps)]
        click.echo(f"| {name}, {len(x_adv)} images | {' | '.join(cells)} |")


def sizes(x_adv: Floats, x: Floats, eps: float) -> Iterator[int]:
    """Bytes of each of `HEADER`'s ways, without a Report."""
    from eval.evidence.packing import pack

    delta = x_adv - x
    levels = np.rint(x * np.float32(255)).astype(np.uint8)
    packed = pack(x_adv, x, eps)
    yield x_adv.nbytes
    yield len(zlib.compress(x_adv.tobytes(), 9))
    yield levels.nbytes + delta.nbytes
    yield len(zlib.compress(levels.tobytes(), 9)) + len(zlib.compress(delta.tobytes(), 9))
    yield packed.size
    yield len(packed.streams.get("base", b""))


def _of_file(path: Path, data_dir: Path | None) -> tuple[Floats, Floats, float]:
    from eval.evidence.file import read_evidence
    from zoo.publish.evidence import data_of
    from zoo.registry import card

    images = read_evidence(path).images
    report = images.report
    data = data_of(report, card(report.model.name), data_dir, None)
    x, _ = data.select_ids(images.origin.ids).tensors()
    return images.x_adv.numpy(), x.numpy(), report.threat.eps


def _of_pictures(folder: Path, n: int) -> tuple[Floats, Floats, float]:
    """A walk of signed gradients, as PGD has it: how far an attack gets is not what counts here."""
    import torch

    from eval.threat import Threat
    from zoo.loading import load
    from zoo.pictures import images

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = load("resnet50-relu-at", pretrained=False)
        classes = folder / "classes.txt"
        data = images(model.card, data=folder, classes=classes if classes.exists() else None)
        x, _ = data.subset(n, seed=0).tensors()
        threat = Threat("Linf", "4/255")
        x_adv = threat.project(x + (2 * torch.rand_like(x) - 1) * threat.eps, x)
        y = model(x).argmax(1)
        for _ in range(10):
            moved = x_adv.clone().requires_grad_()
            loss = torch.nn.functional.cross_entropy(model(moved), y)
            (gradient,) = torch.autograd.grad(loss, moved)
            x_adv = threat.project(x_adv + threat.eps / 4 * gradient.sign(), x)
    return x_adv.numpy(), x.numpy(), threat.eps


if __name__ == "__main__":
    run(lambda: main(standalone_mode=False))
