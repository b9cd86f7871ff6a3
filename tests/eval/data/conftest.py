"""Small pictures on disk, an ImageNet of six of them, a CIFAR-10 of batches of four, a server."""

import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@dataclass
class Server:
    """What the loopback server sends, and what it was asked.

    cuts: how many bytes of the body each of the first answers sends before it hangs up.
    statuses: of the first answers. asked: the Range header of each request, "" without one.
    """

    url: str = ""
    content: bytes = b""
    content_type: str = "application/x-gzip"
    etag: str = '"1"'
    has_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        status, start = self.statuses.pop(0) if self.statuses else 200, 0
        is_same = request.headers.get("If-Range", self.etag) == self.etag
        if status == 200 and wanted and self.has_ranges and is_same:
            start = int(re.findall(r"\d+", wanted)[0])
            status = 206 if start < len(self.content) else 416
        body = self.content[start:] if status in {200, 206} else b""
        request.send_response(status)
        request.send_header("Content-Type", self.content_type)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", self.etag)
        size = len(self.content)
        if status == 206:
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if status == 416:
            request.send_header("Content-Range", f"bytes */{size}")
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)


@pytest.fixture
def server() -> Iterator[Server]:
    """A real HTTP server on the loopback interface that can be told to misbehave."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        state.url = f"http://127.0.0.1:{listening.server_port}/file.bin?token=secret"
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path, png: Callable[..., bytes], write: Callable[..., None]) -> Path:
    """50 pictures: more than the 32 from which on workers are started."""
    write(tmp_path, {f"c{k % 3}/{k:03d}.png": png(k) for k in range(50)})
    return tmp_path


def undecoded(images: ImageSet) -> ImageSet:
    """The same set as it was before anything was kept."""
    assert isinstance(images.source, Decoded)
    return replace(images, source=images.source.inner)
