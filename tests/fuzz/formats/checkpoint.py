"""Training checkpoints: a folder of tensors and JSON, from which a run goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import torch

from eval.data import ImageSet, from_tensors
from eval.errors import SatZooError
from tests.fuzz.damage import damage_file, replace_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats.evidence import damage_safetensors
from tests.fuzz.jsons import damage_json
from zoo.cards import InputSpec, ModelCard, ThreatSpec
from zoo.train.data.feed import memory_feed, split
from zoo.train.loop import Training
from zoo.train.recipe import check_recipe
from zoo.train.record.events import Hooks

_CARD = ModelCard(
    name="tiny-silu-sat",
    family="digits",
    arch="satzoo_resnet8_digits",
    arch_args={"width": 2},
    activation="silu",
    method="sat",
    dataset="digits",
    classes=10,
    input=InputSpec(channels=1, size=8, mean=(0.5,), std=(0.5,)),
    threat=ThreatSpec(eps="1/8"),
    parameters=1,
)
_RECIPE = {
    "epochs": 2,
    "batch_size": 16,
    "lr": 0.05,
    "weight_decay": 5e-4,
    "attack_eps": "1/8",
    "attack_steps": 1,
    "attack_step_size": "eps/2",
}


class Checkpoints(Format):
    """A run of 32 pictures that was stopped twice: the newest checkpoint, and the one before."""

    name = "checkpoint"
    falsified_means = (
        "a run goes on at another step, or with other weights, moments, random numbers, order of"
        " the images or log, than one of its checkpoints had, or from one that is not named;"
        " where the digests were made right again, with what is not finite"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._recipe = check_recipe(_RECIPE, "recipe of the test")
        data = split(_pictures(), self._recipe)
        self._feed = memory_feed(data.training, _CARD, self._recipe, torch.device("cpu"))

    def make(self, folder: Path) -> None:
        for n_steps in (1, 2):
            run = self._begun(folder, n_steps)
            run.train()
            run._save("for the test", must=True)
        self._known = []
        for kept in _checkpoints(folder):
            with tempfile.TemporaryDirectory() as alone:
                shutil.copytree(kept, Path(alone) / kept.name)
                self._known.append((kept.name, *self.read(Path(alone))[:2]))

    def damage(self, folder: Path, rng: Random) -> Damage:
        newest, *_ = there = _checkpoints(folder)
        done, is_resealed = [], rng.random() < 0.3
        for checkpoint in there if rng.random() < 0.3 else [newest]:
            done.append(_damage_one(checkpoint, rng))
            if is_resealed:
                _reseal(checkpoint)
        return Damage("; ".join(done), is_resealed)

    def read(self, folder: Path) -> Any:
        run = self._begun(folder, 4)
        if run.position.step == 0:
            raise SatZooError("began again at step 0")
        tensors = {**run.stepper.model.state_dict(), "stream": run.stepper.generator.get_state()}
        for i, moments in run.stepper.optimizer.state_dict()["state"].items():
            tensors |= {f"{i}.{k}": v for k, v in moments.items() if isinstance(v, torch.Tensor)}
        tensors["order"] = run.position.order
        groups = run.stepper.optimizer.state_dict()["param_groups"]
        at = (run.position.step, run.position.epoch, run.position.batch, run.log, groups)
        return repr((at, run.stepper.schedule.state_dict(), run.best.robust)), tensors, self._said

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        at, tensors, said = found
        for name, was_at, were in self._known:
            if _is_same((at, tensors), (was_at, were)):
                is_named = any(line.endswith(name) for line in said)
                return "" if is_named else f"{name} is used, and nobody is told"
        if not damage.is_resealed:
            return f"no checkpoint that was written: {at:.300}"
        floats = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
        if not all(bool(tensor.isfinite().all()) for tensor in floats):
            return "a tensor that is not finite"
        return ""

    def _begun(self, folder: Path, n_steps: int) -> Training:
        self._said: list[str] = []
        hooks = Hooks(say=self._said.append)
        return Training(
            _CARD, self._recipe, self._feed, folder=folder, limit_steps=n_steps, hooks=hooks
        )


def _checkpoints(folder: Path) -> list[Path]:
    """The newest first."""
    found = (path for path in folder.iterdir() if path.name.startswith("step-"))
    return sorted(found, key=lambda path: path.name, reverse=True)


def _damage_one(checkpoint: Path, rng: Random) -> str:
    if rng.random() < 0.05:
        return replace_file(checkpoint, rng)
    path = rng.choice(sorted(checkpoint.iterdir()))
    if rng.random() < 0.4:
        return damage_file(path, rng)
    if path.suffix == ".safetensors":
        return damage_safetensors(path, rng)
    text, what = damage_json(json.loads(path.read_text()), rng)
    path.write_text(text)
    return f"{path.name}: {what}"


def _reseal(checkpoint: Path) -> None:
    """Digests of what now lies there, as if a run had written it."""
    files = ("state.json", "tensors.safetensors")
    if all(
        (checkpoint / name).is_file() and not (checkpoint / name).is_symlink() for name in files
    ):
        found = {
            name: hashlib.sha256((checkpoint / name).read_bytes()).hexdigest() for name in files
        }
        digests = checkpoint / "sha256.json"
        digests.unlink(missing_ok=True) if not digests.is_dir() else digests.rmdir()
        digests.write_text(json.dumps(found))


def _is_same(found: Any, known: Any) -> bool:
    (at, tensors), (was_at, were) = found, known
    if at != was_at or tensors.keys() != were.keys():
        return False
    return all(torch.equal(tensor, were[name]) for name, tensor in tensors.items())


def _pictures() -> ImageSet:
    stream = torch.Generator().manual_seed(1)
    x = torch.randint(0, 255, (32, 1, 8, 8), generator=stream, dtype=torch.uint8)
    return from_tensors(x, torch.arange(32) % 10)
