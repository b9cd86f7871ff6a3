"""The rarer halves of `sat-zoo pull`: verify what is here, copy it, take a repository by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eval.errors import SatZooError, UsageError, WeightsMismatch
from eval.files.border import is_file, read_bytes
from eval.files.writing import replace_file
from zoo.cli.shared.console import say
from zoo.cli.shared.stopping import can_go_on
from zoo.hub.pins import write_pin
from zoo.registry import card
from zoo.weights.beside import fetch_golden, golden_beside
from zoo.weights.file import Found, read
from zoo.weights.find import copies

if TYPE_CHECKING:
    from zoo.cards import ModelCard


def copy_to(name: str, found: Found, folder: Path) -> None:
    """Copy to `folder`/NAME.safetensors, whole and verified or not at all.

    What is written are the bytes that were verified. Raises `WeightsMismatch` if they are others
    than promised, `SatZooError` if `folder` cannot be written.
    """
    content = read(name, found).content
    path = folder / f"{name}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
        _golden_too(found, path)
    except OSError as error:
        raise SatZooError(
            f"--to {folder} cannot be written: {error.strerror}; name another folder"
        ) from error
    click.echo(f"{name}: copied to {path}")


def _golden_too(found: Found, path: Path) -> None:
    """Copy the golden logits beside the weights, or take away what lies there of others."""
    there, here = golden_beside(path), golden_beside(found.path)
    if is_file(here):
        replace_file(there, read_bytes(here))
    else:
        there.unlink(missing_ok=True)


def check(cards: Iterable[ModelCard]) -> None:
    """Hash every copy on this machine again; raises `WeightsMismatch` naming the bad ones."""
    from zoo.hub.verified import is_good

    n_good, bad = 0, []
    for info in cards:
        for found in copies(info):
            promised = found.sha256 or ""
            good = found.path.is_file() and is_good(found.path, promised)
            click.echo(f"{'ok ' if good else 'BAD'}  {info.name}  {found.source}  {found.path}")
            n_good += good
            if not good:
                bad.append(f"{info.name} ({found.source})")
    if bad:
        raise WeightsMismatch(
            f"{len(bad)} of {n_good + len(bad)} files do not have the promised sha256:"
            f" {', '.join(bad)}; fetch a hub file again with sat-zoo pull NAME, import a store"
            " file again with sat-zoo import NAME, reinstall sat-zoo for a bundled one"
        )
    click.echo(f"{n_good} files have the promised sha256")


def pull_from(
    names: tuple[str, ...],
    repo: str | None,
    revision: str | None,
    file: str,
    folder: Path | None,
    keep: bool,
    evidence: bool = False,
) -> None:
    """Take one model's weights from a repository that the user names, and say what to pin.

    Raises `UsageError` if not all that belongs together was given.
    """
    if repo is None or revision is None:
        raise UsageError("--repo OWNER/NAME, --revision REV (and --pin) belong together: pass both")
    if len(names) != 1:
        raise UsageError(
            "--repo takes the weights of one model: name that model, as in sat-zoo list"
        )
    name = card(names[0]).name

    from zoo.hub.client import Hub
    from zoo.hub.progress import bars
    from zoo.hub.several import fetch_all

    hub = Hub()
    pin = hub.resolve(repo, revision, file)
    with can_go_on(), bars(say) as bar:
        path = fetch_all(hub, {name: pin}, bar)[name]
    if isinstance(path, SatZooError):
        raise path
    _check_format(path, read(name, Found(path, "hub", pin.sha256)).content)
    if said := fetch_golden(pin):
        say(f"{name}: {said}")
    if evidence:
        from zoo.cli.pull_evidence import fetch_from

        pin = fetch_from(pin, name, folder)
    click.echo(f"{name}: {path}\n{pin.model_dump_json(indent=2)}")
    if folder is not None:
        copy_to(name, Found(path, "hub", pin.sha256), folder)
    if keep:
        click.echo(f"pinned in {write_pin(name, pin)}")
    else:
        click.echo(f"use it with --weights {path}, or from now on with --pin")


def _check_format(path: Path, content: bytes) -> None:
    from safetensors import SafetensorError, deserialize

    try:
        deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise WeightsMismatch(
            f"{path} is not a safetensors file ({error}): name another with --file"
        ) from error
