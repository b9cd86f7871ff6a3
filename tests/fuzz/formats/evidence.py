"""Evidence files: adversarial images, and what is claimed of them, as `sat-zoo verify` checks."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random
from typing import Any

import torch

from eval import evaluate
from eval.adversarial import AdversarialImages, recheck
from eval.errors import ReportError
from tests.fuzz.damage import damage_bytes, damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.tiny import PGD, tiny_data, tiny_net
from tests.fuzz.jsons import damage_json

_FILE = "adversarial.safetensors"


class EvidenceFiles(Format):
    """What a run of a tiny network saved, checked against that network and its images."""

    name = "evidence"
    falsified_means = (
        "a file is accepted, and every image of it found adversarial, that names another radius,"
        " stage, protocol, seed, model, image or label than the run had, or fewer images"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._net = tiny_net()
        self._data = tiny_data(self._net)

    def make(self, folder: Path) -> None:
        evaluate(self._net, self._data, save_adversarial=folder / _FILE, **PGD)

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        if rng.random() < 0.3:
            return Damage(damage_file(path, rng))
        return Damage(damage_safetensors(path, rng), is_resealed=True)

    def read(self, folder: Path) -> Any:
        found = AdversarialImages.read(folder / _FILE)
        if found.n_broken > len(found.origin.ids):
            raise ReportError("fewer images than its report calls broken")
        done = recheck(found, self._net, self._data)
        if done.failed:
            raise ReportError(f"not adversarial: {next(iter(done.failed.values()))}")
        return found.origin, found.x_adv, done.n

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        (origin, x_adv, n), (was, _, n_was) = found, original
        if n != n_was or len(x_adv) != n_was:
            return f"{n} images, the run broke {n_was}"
        if origin != was:
            return f"{origin!r:.200} instead of {was!r:.200}"
        clean = self._data.select_ids(origin.ids).batch(range(n))
        if not bool(torch.isfinite(x_adv).all()) or (x_adv - clean.x).abs().max() > 1 / 20 + 1e-6:
            return "an image outside of the ball"
        if bool((self._net(x_adv).argmax(1) == clean.y).any()):
            return "an image that fools nobody"
        return ""


def damage_safetensors(path: Path, rng: Random) -> str:
    """Change the header, and JSON inside of it, or the numbers; lengths are right again."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    told = header.get("__metadata__") or {}
    if rng.random() < 0.2 and data:
        data, what = damage_bytes(data, rng)
    elif rng.random() < 0.7 and any(value.startswith("{") for value in told.values()):
        key = rng.choice(sorted(key for key, value in told.items() if value.startswith("{")))
        told[key], what = damage_json(json.loads(told[key]), rng)
        header["__metadata__"] = told
    else:
        text, what = damage_json(header, rng)
        path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + data)
        return f"header: {what}"
    text = json.dumps(header)
    path.write_bytes(struct.pack("<Q", len(text.encode())) + text.encode() + data)
    return f"inside: {what}"
