"""`sat-zoo pull --evidence`: the adversarial images of Reports, beside the weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.filesize import decimal

from eval.errors import ReportError, SatZooError
from eval.files.writing import replace_file
from zoo.cli.shared.console import say
from zoo.cli.shared.stopping import can_go_on
from zoo.evidence.places import (
    EvidenceFile,
    bundled_evidence,
    check_size,
    content_of,
    evidence_at,
    pinned_evidence,
    pulled_evidence,
)

if TYPE_CHECKING:
    from zoo.cards import ModelCard
    from zoo.hub.pins import Pin


def pull_evidence(cards: Iterable[ModelCard], *, is_named: bool, folder: Path | None) -> None:
    """Fetch the pinned evidence of the models, verified to the byte, and read each file once.

    Raises `ReportError` for a model that was named and has none; as `zoo.hub.fetch` for a file.
    """
    for info in cards:
        pins = pinned_evidence(info.name)
        fetch(pins)
        pieces = (*bundled_evidence(info), *pulled_evidence(info.name))
        if not pieces and is_named:
            raise ReportError(
                f"no evidence of {info.name} is published: evaluate it with `save_adversarial`, or"
                f" take a repository's with: sat-zoo pull {info.name} --repo OWNER/NAME --revision"
                " REV --evidence"
            )
        for piece in pieces:
            _show(info.name, piece, folder)


def fetch_from(pin: Pin, name: str, folder: Path | None) -> Pin:
    """The evidence that the repository of `pin` has at its commit: fetched, and pinned in it.

    Raises as `pull_evidence`.
    """
    found = pin.model_copy(update={"evidence": evidence_at(pin.repo, pin.revision)})
    if not found.evidence:
        raise ReportError(f"{pin.repo} has no evidence at {pin.revision[:12]}: leave it out")
    fetch(found.of_evidence)
    from zoo.hub import cached

    for one in found.of_evidence:
        path = cached(one)
        if path is not None:
            _show(name, EvidenceFile(path, None, needs_report=False), folder)
    return found


def fetch(pins: Iterable[Pin]) -> None:
    """Fetch files of evidence into the Hub's cache; raises the first fault."""
    from zoo.hub.client import Hub
    from zoo.hub.progress import bars
    from zoo.hub.several import fetch_all

    wanted = {Path(pin.file).name: pin for pin in pins}
    for pin in wanted.values():
        check_size(pin)
    if not wanted:
        return
    with can_go_on(), bars(say) as bar:
        done = fetch_all(Hub(), wanted, bar)
    for result in done.values():
        if isinstance(result, SatZooError):
            raise result


def _show(name: str, piece: EvidenceFile, folder: Path | None) -> None:
    """A line about a file, which is read so that what is damaged is known now."""
    from eval.evidence.file import read_evidence

    images = read_evidence(piece.path).images
    size = decimal(piece.path.stat().st_size)
    click.echo(f"{name}: {piece.name}, {size}, {len(images.origin.ids)} adversarial images")
    if folder is not None:
        path = folder / piece.path.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, content_of(piece))
        except OSError as error:
            raise SatZooError(
                f"--to {folder} cannot be written: {error.strerror}; name another folder"
            ) from error
