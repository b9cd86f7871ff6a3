"""Small pictures on disk, an ImageNet of six of them, a CIFAR-10 of batches of four."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.data import ImageSet
from eval.data.cifar10 import exact as cifar10_exact
from eval.data.decoded import Decoded
from eval.data.imagenet import imagenet


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


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, np.ndarray]]:
    """CIFAR-10 as if its batches held four pictures: five of training, then that of the test."""
    rng = np.random.default_rng(5)
    made = [
        (
            rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8),
            rng.integers(0, 10, 4, dtype=np.uint8),
        )
        for _ in range(6)
    ]
    digests = [
        hashlib.sha256(np.concatenate([y[:, None], x.reshape(4, -1)], axis=1).tobytes()).hexdigest()
        for x, y in made
    ]
    monkeypatch.setattr(cifar10_exact, "BLOCK", 4)
    official = {"train": tuple(digests[:5]), "test": (digests[5],)}
    monkeypatch.setattr(cifar10_exact, "OFFICIAL", official)
    return made


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes], write: Callable[..., None]) -> Path:
    """50 pictures: more than the 32 from which on decoders are started."""
    write(tmp_path, {f"c{k % 3}/{k:03d}.png": png(k) for k in range(50)})
    return tmp_path


def undecoded(images: ImageSet) -> ImageSet:
    """The same set as it was before anything was kept."""
    assert isinstance(images.source, Decoded)
    return replace(images, source=images.source.inner)
