"""Small pictures on disk, and an ImageNet of six of them."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import imagenet


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Makes random pictures in an encoding that keeps every level."""

    def make(seed: int, width: int = 4, height: int = 4) -> bytes:
        levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(levels).save(stream, "PNG")
        return stream.getvalue()

    return make


@pytest.fixture
def write() -> Callable[[Path, Mapping[str, bytes]], None]:
    """Writes files, path by path, under a folder."""

    def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return write_all


@pytest.fixture
def six(monkeypatch: pytest.MonkeyPatch, png: Callable[..., bytes]) -> dict[str, bytes]:
    """ImageNet as if it ended after six pictures: true names, true classes, other pixels."""
    monkeypatch.setattr(imagenet, "N_IMAGES", 6)
    return {f"ILSVRC2012_val_{k:08d}.JPEG": png(k) for k in range(1, 7)}
