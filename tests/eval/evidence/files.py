"""Files of evidence, whole and falsified."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from eval.evidence.file import SCHEMA, Evidence, Head, read_evidence
from eval.evidence.packing import deflated, pack

Content = dict[str, Any]


def parts_of(path: Path) -> tuple[Content, dict[str, Any]]:
    """The head and the tensors of a packed file."""
    with safe_open(path, framework="np") as file:
        return json.loads(file.metadata()[SCHEMA]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118


def written(path: Path, head: Mapping[str, Any], tensors: Mapping[str, Any]) -> Path:
    path.write_bytes(save(dict(tensors), {SCHEMA: json.dumps(head)}))
    return path


def report_of(path: Path) -> Content:
    return json.loads(read_evidence(path).images.report.model_dump_json(by_alias=True))


def resealed(
    path: Path,
    source: Path,
    *,
    report: Content | None = None,
    change: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> Path:
    """Another file with all its digests right, by whoever read the code.

    report: in place of its own. change: gets x_adv and x, to write into them.
    """
    found: Evidence = read_evidence(source)
    said = json.dumps(report) if report is not None else json.dumps(report_of(source))
    content = said.encode()
    assert found.x is not None
    x_adv, x = found.images.x_adv.numpy().copy(), found.x.numpy().copy()
    if change is not None:
        change(x_adv, x)
    packed = pack(x_adv, x, found.images.report.threat.eps)
    levels = hashlib.sha256()
    levels.update(
        np.ascontiguousarray(np.rint(x * np.float32(255)).astype(np.uint8).transpose(0, 2, 3, 1))
    )
    digest = hashlib.sha256(content)
    for pixels in (x_adv, None if packed.kind == "bytes" else x):
        if pixels is not None:
            digest.update(json.dumps(list(pixels.shape)).encode())
            digest.update(pixels.tobytes())
    head = Head(
        kind=packed.kind,
        grid=packed.grid,
        shape=x.shape[1:],
        report_bytes=len(content),
        pixels_sha256=levels.hexdigest(),
        content_sha256=digest.hexdigest(),
    )
    streams = {"report": deflated(content), **packed.streams}
    tensors = {name: np.frombuffer(stream, np.uint8) for name, stream in streams.items()}
    return written(path, json.loads(head.model_dump_json()), tensors | {"levels": packed.levels})
