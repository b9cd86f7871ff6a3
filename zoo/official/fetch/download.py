"""Downloads the authors' checkpoints from Google Drive and lets only checkpoints through.

Of the three files of a release two hold what we need: the index, which says what lies where with
which checksum, and the data. The third, the graph, is not read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from eval.files.download import NotFetched, OnProgress, OtherBytes, download
from eval.files.home import home
from zoo.cards import ModelCard
from zoo.official.fetch import drive
from zoo.official.format.tensor_bundle import TensorBundle, read_index

__all__ = ["Watch", "fetch", "manual", "problem"]

_Kind = Literal["index", "data"]
_NEEDED: tuple[_Kind, _Kind] = ("index", "data")

Bar = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True)
class Watch:
    """Who is told what happens.

    bar: called with a file's name and its bytes when it begins; what it returns is told how many
    bytes are there. say: told what there is to say, one line at a time.
    """

    bar: Bar = lambda name, size: lambda done: None
    say: Callable[[str], None] = lambda text: None


def fetch(
    card: ModelCard,
    folder: Path,
    *,
    ema: bool | None = None,
    watch: Watch | None = None,
    wait_s: float = 1.0,
) -> Path:
    """Download the official checkpoint of `card` into `folder`; returns its prefix.

    ema:    which set of weights will be read from it, by default what the card says.
    wait_s: before the first new try after a failure that may pass.

    The files gather in SAT_ZOO_HOME/partial, where a later process goes on with what is there. They
    move to `folder` when every tensor has the checksum of the index, the index last. A whole
    checkpoint that lies there already is not downloaded again.

    Raises `UsageError` if the card names no official checkpoint, `WeightsUnavailable` if Drive does
    not give a file, `WeightsMismatch` if it gives another one, `SatZooError` if the disk is full or
    cannot be written.
    """
    if card.official is None:
        raise UsageError(f"{card.name} has no official TensorFlow checkpoint to download")
    watch = watch or Watch()
    prefix = folder / card.official.prefix
    if _is_whole(prefix):
        return prefix
    gathered = home() / "partial" / card.official.prefix
    index = Path(f"{gathered / card.official.prefix}.index")
    data = Path(f"{gathered / card.official.prefix}.data-00000-of-00001")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _fetch_one(card, "index", index, partial(_index_problem, card, ema), None, watch, wait_s)
        size = _size(index)
        have = _size_of_part(data)
        already = f", of which {have / 1e6:.1f} MB are here" if have else ""
        watch.say(f"{card.name}: {data.name} has {size / 1e6:.1f} MB{already}")
        _check_space(card, gathered, size - have)
        _fetch_one(card, "data", data, partial(_data_problem, index), size, watch, wait_s)
        for path in (data, index):
            path.replace(folder / path.name)
        shutil.rmtree(gathered, ignore_errors=True)
    except OSError as error:
        raise SatZooError(f"{folder} cannot be written: {error}; name another folder") from error
    return prefix


def manual(card: ModelCard) -> str:
    """How a person gets the checkpoint when we cannot."""
    if card.official is None:
        raise UsageError(f"{card.name} has no official TensorFlow checkpoint")
    index, data = (drive.browser_page(card.official.drive_ids[key]) for key in _NEEDED)
    return (
        f"download {index} and {data} in a browser into one folder and import them with:"
        f" sat-zoo import {card.name} --checkpoint FOLDER/{card.official.prefix}"
    )


def problem(prefix: Path, *, data: Path | None = None) -> str:
    """What is wrong with a checkpoint, every tensor read; "" if nothing is. As `TensorBundle`."""
    try:
        bundle = TensorBundle(prefix, data=data)
    except (UsageError, WeightsMismatch) as error:
        return str(error)
    errors = []
    for name in bundle.variables:
        try:
            bundle.read(name)
        except WeightsMismatch as error:
            errors.append(str(error))
    if not errors:
        return ""
    if len(errors) == len(bundle.variables) > 1:
        return (
            f"none of the {len(errors)} tensors has the checksum of the index, so {bundle.index}"
            " and the data beside it are of two different checkpoints: download both again"
        )
    return f"{errors[0]} ({len(errors)} of {len(bundle.variables)} tensors are so)"


def _fetch_one(
    card: ModelCard,
    kind: _Kind,
    path: Path,
    verify: Callable[[Path], str],
    size: int | None,
    watch: Watch,
    wait_s: float,
) -> None:
    assert card.official is not None
    drive_id = card.official.drive_ids[kind]
    way_out = manual(card)
    try:
        download(
            drive.address(drive_id),
            path,
            size=size,
            verify=verify,
            wait_s=wait_s,
            on_progress=_progress(watch.bar, path.name),
            on_page=lambda url, status, page: drive.answer(url, status, page, way_out),
            way_out=way_out,
        )
    except OtherBytes as error:
        raise WeightsMismatch(f"{card.name}: {path.name}: {error}") from error
    except NotFetched as error:
        raise WeightsUnavailable(f"{card.name}: {path.name}: {error}") from error


def _progress(bar: Bar, name: str) -> OnProgress:
    """Starts the bar with the first bytes, since a file that is there needs none."""
    tell: Callable[[int], None] | None = None

    def progress(done: int, total: int | None) -> None:
        nonlocal tell
        tell = tell or bar(name, total or 0)
        tell(done)

    return progress


def _index_problem(card: ModelCard, ema: bool | None, path: Path) -> str:
    from zoo.official.convert import check_index

    try:
        check_index(card, path, ema)
    except (UsageError, WeightsMismatch) as error:
        return str(error)
    return ""


def _data_problem(index: Path, path: Path) -> str:
    return problem(index, data=path)


def _is_whole(prefix: Path) -> bool:
    return not problem(prefix)


def _size(index: Path) -> int:
    _, variables = read_index(index)
    return max((one.offset + one.size for one in variables.values()), default=0)


def _size_of_part(path: Path) -> int:
    part = path.with_name(f".{path.name}.part")
    return max((one.stat().st_size for one in (path, part) if one.exists()), default=0)


def _check_space(card: ModelCard, folder: Path, missing: int) -> None:
    """Raises `SatZooError` now, not after minutes: the data, and then the converted weights."""
    needed = missing + 4 * card.parameters
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SatZooError(
            f"{card.name} needs {needed / 1e6:.0f} MB for the download and the converted weights,"
            f" and {folder} has {free / 1e6:.0f} MB free: make room, or name another folder in"
            " SAT_ZOO_HOME"
        )
