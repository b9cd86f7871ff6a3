"""config.json of a stranger's Hub repository, from the cache, with the weights it belongs to."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from random import Random
from typing import Any

import timm
import torch
from safetensors.torch import save_file

import zoo
from eval import evaluate
from tests.fuzz.damage import damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.jsons import damage_json

_COMMIT = "c0ffee" * 6 + "abcd"
_REPO = "somebody/net"
_ARCH = "test_resnet"
_LARGEST = 2**14
_CONFIG = {
    "architecture": _ARCH,
    "num_classes": 10,
    "global_pool": "avg",
    "model_args": {"drop_rate": 0.1, "in_chans": 3},
    "pretrained_cfg": {
        "tag": "in1k",
        "custom_load": False,
        "input_size": [3, 64, 64],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.4, 0.5],
        "num_classes": 10,
        "pool_size": [2, 2],
        "first_conv": "conv1.0",
        "classifier": "fc",
    },
}
_ARGUMENTS = {
    "layers": ([10**6], [1, 1, 1, 10**6], [-1], "x", [1, 1, 1], [0, 0, 0, 0]),
    "channels": ([10**6] * 4, [32, 48, 48, 96], [0, 1, 2, 3], "x"),
    "num_classes": (3_000_000, 1, -5, 2**62, 10.0, True, "10"),
    "drop_rate": ("x", 2, -1, float("nan"), [0.1], 1),
    "drop_path_rate": ("x", 5),
    "global_pool": ("", "x", None, "catavgmax", 3),
    "act_layer": ("silu", "x", 3, "../x", "hard_swish"),
    "norm_layer": ("x", "batchnorm2d", [1]),
    "in_chans": (1, 0, -3, 10**9, "3"),
    "block_args": ({"attn_layer": "x"}, {"rd_ratio": -1}, 7),
    "aa_layer": ("blur", "x"),
    "output_stride": (0, 7, 10**9),
    "cardinality": (0, 10**6),
    "base_width": (10**9, 10**5, -1),
    "stem_width": (10**7, 0),
    "pretrained": (True,),
    "features_only": (True,),
    "checkpoint_path": ("/etc/passwd",),
}


class HubConfigs(Format):
    """A residual network of 370,000 parameters as timm pushes it."""

    name = "hub_config"
    falsified_means = (
        "a network is accepted whose tensors are not those of the weight file, or whose classes,"
        " mean, std or size are not those of the config or no finite numbers"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)
        repo = Path(os.environ["HF_HOME"]) / "hub" / f"models--{_REPO.replace('/', '--')}"
        self._snapshot = repo / "snapshots" / _COMMIT
        self._snapshot.mkdir(parents=True)
        with torch.random.fork_rng():
            torch.manual_seed(2)
            net = timm.create_model(_ARCH, num_classes=10)
        self._tensors = {name: t.contiguous() for name, t in net.state_dict().items()}
        made = repo / "made"
        save_file(self._tensors, made)
        blob = repo / "blobs" / hashlib.sha256(made.read_bytes()).hexdigest()
        blob.parent.mkdir()
        made.rename(blob)
        (self._snapshot / "model.safetensors").symlink_to(blob)

    def make(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(_CONFIG))

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / "config.json"
        way = rng.random()
        if way < 0.2:
            return Damage(damage_file(path, rng))
        config = json.loads(path.read_text())
        if way < 0.6:
            name, values = rng.choice(list(_ARGUMENTS.items()))
            value = rng.choice(values)
            config[rng.choice(("model_args", "model_args", "pretrained_cfg"))][name] = value
            path.write_text(json.dumps(config))
            return Damage(f"{name} is {value!r}", is_resealed=True)
        text, what = damage_json(config, rng)
        path.write_text(text)
        return Damage(what, is_resealed=True)

    def read(self, folder: Path) -> Any:
        there = self._snapshot / "config.json"
        there.unlink(missing_ok=True)
        there.symlink_to(folder / "config.json")
        model = zoo.load(f"hf-hub:{_REPO}@{_COMMIT}")
        images = torch.rand(2, model.card.input.channels, 32, 32)
        report = evaluate(model, (images, torch.tensor([0, 1])), attack="clean", name="theirs")
        return model.card, model.net.state_dict(), report.model.classes

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        card, tensors, classes = found
        for name, tensor in self._tensors.items():
            if name not in tensors or not torch.equal(tensors[name], tensor):
                return f"{name} is another tensor"
        said = card.input
        if not all(map(math.isfinite, (*said.mean, *said.std))) or not min(said.std) > 0:
            return f"mean {said.mean}, std {said.std}"
        if not 1 <= said.size <= _LARGEST or classes != card.classes:
            return f"size {said.size}, {card.classes} classes, of which the network has {classes}"
        config = json.loads((folder / "config.json").read_bytes())
        stated = config.get("pretrained_cfg", config)
        for field in ("mean", "std"):
            if [float(one) for one in stated[field]] != list(getattr(said, field)):
                return f"{field} is {getattr(said, field)}, the config says {stated[field]}"
        return ""
