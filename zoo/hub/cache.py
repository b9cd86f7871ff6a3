"""Where huggingface_hub keeps a pinned file. Light: a look does not import its HTTP client.

Source: "Understand caching", https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants

from zoo.hub.pins import Pin


def peek(pin: Pin, cache: Path | None = None) -> Path | None:
    """The pinned file in the cache, looked at by name and size only; None if it is not there.

    cache: as `HF_HUB_CACHE`, the default.
    """
    path = repo_folder(pin, cache) / "snapshots" / pin.revision / pin.file
    return path if size_of(path) == pin.size else None


def repo_folder(pin: Pin, cache: Path | None = None) -> Path:
    """The cache's folder of one repository, which holds `blobs`, `snapshots` and `refs`."""
    parts = ["models", *pin.repo.split("/")]
    root = Path(constants.HF_HUB_CACHE) if cache is None else cache
    return root / constants.REPO_ID_SEPARATOR.join(parts)


def size_of(path: Path) -> int:
    """Bytes of a file, 0 if it is not there or cannot be looked at."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
