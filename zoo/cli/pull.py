"""`sat-zoo pull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from rich.filesize import decimal

from eval.errors import SatZooError, UsageError, WeightsUnavailable
from zoo.cli.pull_check import check as check_copies
from zoo.cli.pull_check import copy_to, pull_from
from zoo.cli.shared.columns import TableColumn, wide_option
from zoo.cli.shared.completing import complete_models
from zoo.cli.shared.console import say, stdout
from zoo.cli.shared.stopping import can_go_on
from zoo.hub import peek
from zoo.hub.pins import Pin, pin_of
from zoo.official.evidence.known import RELEASE
from zoo.registry import card, list_models
from zoo.weights.beside import fetch_golden
from zoo.weights.file import Found
from zoo.weights.find import Remote, local_weights, not_here, remote
from zoo.weights.store import Store

if TYPE_CHECKING:
    from zoo.cards import ModelCard

Origin = Literal["hub", "official"]

EXAMPLES = """\b
Examples:
  sat-zoo pull resnet50-silu-sat
  sat-zoo pull 'efficientnet-*' --to weights/
  sat-zoo pull resnet50-silu-sat --source official
  sat-zoo pull resnet50-silu-sat --evidence
  sat-zoo pull --all
  sat-zoo pull --check
  sat-zoo pull resnet50-silu-sat --repo OWNER/NAME --revision main"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME|PATTERN]...", shell_complete=complete_models)
@click.option("--all", "everything", is_flag=True, help="Every model of the zoo.")
@click.option(
    "--source",
    type=click.Choice(["hub", "official"]),
    help="Only from there: the pinned repository, or the authors' release, which is converted."
    "  [default: what is here, else hub, else official]",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also copy the verified files there, as NAME.safetensors.",
)
@wide_option
@click.option("--evidence", is_flag=True, help="Also the adversarial images of its Reports.")
@click.option("--check", is_flag=True, help="Download nothing; verify again what is here.")
@click.option("--repo", metavar="OWNER/NAME", help="Take NAME's weights from this repository.")
@click.option("--revision", metavar="REV", help="Branch, tag or commit of --repo.")
@click.option("--file", help="File of --repo.  [default: model.safetensors]")
@click.option("--pin", "keep", is_flag=True, help="Use those of --repo for NAME from now on.")
def command(
    *,
    names: tuple[str, ...],
    everything: bool,
    source: Origin | None,
    folder: Path | None,
    evidence: bool,
    check: bool,
    repo: str | None,
    revision: str | None,
    file: str | None,
    keep: bool,
) -> None:
    """Get weights onto this machine and verify them.

    Weights that are bundled or in the store are here already. Pinned ones come from the Hugging
    Face Hub into its cache. Others come from the authors' release on Google Drive: the TensorFlow
    checkpoint is verified tensor by tensor, converted and kept in the store.

    A download that broke off goes on where it stopped. HF_HOME, HF_ENDPOINT, HF_TOKEN and
    HF_HUB_OFFLINE mean what they mean to huggingface_hub; SAT_ZOO_DRIVE_ENDPOINT names a mirror of
    Google Drive.
    """
    if everything and names:
        raise UsageError(f"--all names every model already: leave out {names[0]!r}, or --all")
    if repo is not None or revision is not None or keep:
        if source is not None:
            raise UsageError(f"--source {source} and --repo name two places: leave one out")
        if everything or check:
            option = "--all" if everything else "--check"
            raise UsageError(f"{option} is not for --repo, which holds one model: leave it out")
        pull_from(names, repo, revision, file or "model.safetensors", folder, keep, evidence)
        return
    if file is not None:
        raise UsageError(f"--file {file} is a file of --repo: add --repo OWNER/NAME --revision REV")
    if check:
        given = (("--source", source), ("--to", folder), ("--evidence", "" if evidence else None))
        for option, value in given:
            if value is not None:
                said = f"{option} {value}".strip()
                raise UsageError(f"--check fetches and copies nothing: leave out {said}")
    if not (names or everything or check):
        raise UsageError("name a model or a pattern such as 'resnet50-*', or pass --all")
    cards, is_named = _chosen(names)
    if check:
        check_copies(cards)
    else:
        _pull(cards, is_named, source, folder, evidence)


def _chosen(names: tuple[str, ...]) -> tuple[list[ModelCard], bool]:
    """The cards asked for, each once, and whether all were asked for by their own names."""
    found: dict[str, None] = {}
    is_named = bool(names)
    for name in names or ("*",):
        if any(wild in name for wild in "*?["):
            matches = list_models(name)
            if not matches:
                raise UsageError(f"pattern {name!r} matches no model: see all with sat-zoo list")
            found.update(dict.fromkeys(matches))
            is_named = False
        else:
            found[card(name).name] = None
    return [card(name) for name in found], is_named


def _pull(
    cards: list[ModelCard],
    is_named: bool,
    source: Origin | None,
    folder: Path | None,
    evidence: bool,
) -> None:
    here: dict[str, Found] = {}
    there: dict[str, Remote] = {}
    nowhere = []
    for info in cards:
        found = _here(info, source)
        place = remote(info, source)
        if found is not None:
            here[info.name] = found
        elif place is not None:
            there[info.name] = place
        else:
            nowhere.append(info)
    if nowhere and (is_named or len(nowhere) == len(cards)):
        raise WeightsUnavailable(_not_there(nowhere[0], source))
    _summarise(here, there, nowhere)
    failed = _fetch(there, here)
    if folder is not None:
        for name, found in here.items():
            copy_to(name, found, folder)
    if failed:
        _give_up(failed, len(there))
    if evidence:
        from zoo.cli.pull_evidence import pull_evidence

        pull_evidence(cards, is_named=is_named, folder=folder)
    click.echo(f"{len(here)} of {len(cards)} models are here")


def _here(info: ModelCard, source: Origin | None) -> Found | None:
    """What needs no fetching. A file of the Hub's cache is fetched anew: that verifies it."""
    found = local_weights(info)
    if source == "hub" or found is None or found.source == "hub":
        return None
    if source != "official":
        return found
    stored = Store().find(info.name)
    if info.official is None or stored is None:
        return None
    if stored.provenance.get("source") == RELEASE:
        return Found(stored.path, "store", stored.sha256)
    raise UsageError(
        f"--source official: the store has other weights of {info.name} ({stored.path}): replace"
        f" them with: sat-zoo import {info.name} --download"
    )


def _not_there(info: ModelCard, source: Origin | None) -> str:
    """One sentence: the source that was asked for does not have it."""
    if source == "official":
        return f"{info.name} is not among the models that the authors released: see sat-zoo list"
    if source == "hub":
        return f"no repository of the Hub is pinned for {info.name}; {not_here(info)}"
    return not_here(info)


def _fetch(there: dict[str, Remote], here: dict[str, Found]) -> list[SatZooError]:
    """Fetch everything; what came is added to `here`, what did not is returned."""
    pins = {name: pin for name in there if (pin := _pin(name, there[name]))}
    failed = _fetch_pinned(pins, here) if pins else []
    released = [name for name in there if name not in pins]
    return failed + (_fetch_released(released, here) if released else [])


def _fetch_released(names: list[str], here: dict[str, Found]) -> list[SatZooError]:
    from eval.files.download import Unreachable
    from zoo.cli.pull_official import found_in_store, pull_official

    failed: list[SatZooError] = []
    for done, name in enumerate(names):
        try:
            here[name] = found_in_store(pull_official(card(name)))
        except SatZooError as error:
            failed.append(error)
            if isinstance(error.__cause__, Unreachable):
                # Without a network each of the others would wait as long for nothing.
                return failed + [error] * (len(names) - done - 1)
    return failed


def _pin(name: str, place: Remote) -> Pin | None:
    return pin_of(name) if place.source == "hub" else None


def _fetch_pinned(pins: dict[str, Pin], here: dict[str, Found]) -> list[SatZooError]:
    from zoo.hub.client import Hub
    from zoo.hub.progress import bars
    from zoo.hub.several import fetch_all

    with can_go_on(), bars(say) as bar:
        done = fetch_all(Hub(), pins, bar)
    failed = []
    for name, result in done.items():
        if isinstance(result, Path):
            here[name] = Found(result, "hub", pins[name].sha256)
            if said := fetch_golden(pins[name]):
                say(f"{name}: {said}")
        else:
            failed.append(result)
    return failed


def _summarise(here: dict[str, Found], there: dict[str, Remote], nowhere: list[ModelCard]) -> None:
    """Say what will come from where and how much it is, before anything is asked for."""
    from zoo.cli.shared.table import print_table

    rows = []
    n_bytes = 0
    for name, place in there.items():
        pin = _pin(name, place)
        is_cached = pin is not None and peek(pin) is not None
        n_bytes += 0 if is_cached else place.n_bytes
        rows.append((name, place.size, "Hub cache" if is_cached else place.place))
    for name, found in here.items():
        text = "bundled" if found.source == "bundled" else "imported"
        rows.append((name, decimal(found.path.stat().st_size), text))
    rows += [(one.name, "", "not published yet") for one in nowhere]
    columns = (
        TableColumn("model"),
        TableColumn("size", is_right=True),
        TableColumn("from", is_prose=True),
    )
    print_table(columns, rows, stdout())
    if nowhere:
        click.echo("not published yet: sat-zoo show NAME says how to come by weights")
    about = "about " if any(place.source == "official" for place in there.values()) else ""
    click.echo(f"to download: {about}{decimal(n_bytes)}")


def _give_up(failed: list[SatZooError], n_asked: int) -> None:
    if n_asked == 1:
        raise failed[0]
    reasons = "; ".join(dict.fromkeys(map(str, failed)))
    raise type(failed[0])(f"{len(failed)} of {n_asked} models were not pulled: {reasons}")
