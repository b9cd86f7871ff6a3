"""Downloads the authors' checkpoints from Google Drive and lets only checkpoints through.

Drive answers a refusal (too many downloads today, not shared any more) with a web page and no
error, so a file counts as downloaded only after every checksum in it was verified.
"""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from zoo.cards import ModelCard
from zoo.official.bundle import Bundle, read_index

__all__ = ["fetch"]

Downloader = Callable[[str, Path], object]


def fetch(card: ModelCard, folder: Path, *, downloader: Downloader | None = None) -> Path:
    """Download the official checkpoint of `card` into `folder`; returns its prefix.

    downloader: called with a Google Drive id and the path to write; by default gdown, which goes
                on where an interrupted download stopped.

    A whole checkpoint that is there already is not downloaded again. The files get their names
    only after they were verified, the index last.

    Raises `UsageError` if the card names no official checkpoint, `WeightsUnavailable` if gdown is
    missing or the download fails, `WeightsMismatch` if something else than a checkpoint arrives.
    """
    if card.official is None:
        raise UsageError(f"{card.name} has no official TensorFlow checkpoint to download")
    official = card.official
    prefix = folder / official.prefix
    if _is_whole(prefix):
        return prefix
    load = downloader or _gdown()
    part = folder / f".{official.prefix}.part"
    data, index = f"{official.prefix}.data-00000-of-00001", f"{official.prefix}.index"
    try:
        part.mkdir(parents=True, exist_ok=True)
        _fetch_one(card, official.drive_ids["index"], part / index, load, read_index)
        _fetch_one(card, official.drive_ids["data"], part / data, load, _verify)
        for name in (data, index):
            (part / name).replace(folder / name)
        shutil.rmtree(part)
    except OSError as error:
        raise SatZooError(f"{folder} cannot be written: {error}; name another folder") from error
    return prefix


def _fetch_one(
    card: ModelCard,
    drive_id: str,
    path: Path,
    load: Downloader,
    verify: Callable[[Path], object],
) -> None:
    """Download one file and look at it; a file that is no part of a checkpoint is deleted."""
    page = f"https://drive.google.com/file/d/{drive_id}/view"
    remedy = f"try again later, or download {page} in a browser and import it with --checkpoint"
    try:
        load(drive_id, path)
    except OSError as error:
        raise WeightsUnavailable(
            f"{card.name}: {path.name} could not be downloaded: {error}; {remedy}"
        ) from error
    try:
        verify(path)
    except (UsageError, WeightsMismatch) as error:
        path.unlink(missing_ok=True)
        raise WeightsMismatch(
            f"{card.name}: Google Drive did not send {path.name}: {error}; {remedy}"
        ) from error


def _is_whole(prefix: Path) -> bool:
    try:
        _verify(prefix)
    except (UsageError, WeightsMismatch):
        return False
    return True


def _verify(prefix: Path) -> None:
    """Raises `UsageError` or `WeightsMismatch` unless every byte is what the index promises."""
    bundle = Bundle(prefix)
    for name in bundle.variables:
        bundle.read(name)


def _gdown() -> Downloader:
    try:
        gdown = import_module("gdown")
    except ImportError as error:
        raise WeightsUnavailable(
            "downloading from Google Drive needs gdown: pip install 'sat-zoo[download]'"
        ) from error

    def load(drive_id: str, path: Path) -> None:
        try:
            gdown.download(id=drive_id, output=str(path), resume=True, retries=3, timeout=60)
        except gdown.exceptions.DownloadError as error:
            raise OSError(str(error)) from error

    return load
