"""Where the golden logits of a weight file lie: beside it. No torch here."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import SatZooError

if TYPE_CHECKING:
    from zoo.hub.pins import Pin

GOLDEN = "golden.safetensors"
"""Their name beside a `model.safetensors`; beside a NAME.safetensors it is NAME.golden.safetensors.
"""


def golden_beside(weights: Path) -> Path:
    """Where the golden logits of the weight file `weights` lie, if there are any."""
    if weights.name == "model.safetensors":
        return weights.with_name(GOLDEN)
    return weights.with_name(f"{weights.name.removesuffix('.safetensors')}.{GOLDEN}")


def fetch_golden(pin: Pin) -> str:
    """Fetch the golden logits that were published with pinned weights, into the Hub cache.

    Returns "", or one sentence why they did not come: weights are of use without them. They are
    held to the digest that the Hub states at the pinned commit.
    """
    from zoo.hub import fetch, resolve
    from zoo.hub.cache import repo_folder

    file = golden_beside(Path(pin.file)).as_posix()
    folder = repo_folder(pin)
    # Where huggingface_hub keeps that a commit has no such file: it never will.
    absent = folder / ".no_exist" / pin.revision / file
    if absent.is_file() or (folder / "snapshots" / pin.revision / file).is_file():
        return ""
    try:
        fetch(resolve(pin.repo, pin.revision, file))
    except SatZooError as error:
        if type(error.__cause__).__name__ == "RemoteEntryNotFoundError":
            with contextlib.suppress(OSError):
                absent.parent.mkdir(parents=True, exist_ok=True)
                absent.touch()
            return "no golden logits were published with it"
        return f"its golden logits are not here: {error}"
    return ""
