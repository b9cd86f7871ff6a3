"""Training checkpoints: a folder of tensors and JSON, from which a run goes on."""

from __future__ import annotations

import json
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
    """A run of 32 pictures that was stopped after its first epoch."""

    name = "checkpoint"
    falsified_means = (
        "a run goes on from an accepted checkpoint at another step, or with other weights, moments,"
        " random numbers, order of the images or log than it had"
    )

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._recipe = check_recipe(_RECIPE, "recipe of the test")
        data = split(_pictures(), self._recipe)
        self._feed = memory_feed(data.training, _CARD, self._recipe, torch.device("cpu"))

    def make(self, folder: Path) -> None:
        run = self._begun(folder)
        run.train()
        run._save("for the test", must=True)

    def damage(self, folder: Path, rng: Random) -> Damage:
        (checkpoint,) = (path for path in folder.iterdir() if path.name.startswith("step-"))
        if rng.random() < 0.05:
            return Damage(replace_file(checkpoint, rng))
        path = rng.choice([path for path in sorted(checkpoint.iterdir()) if path.stat().st_size])
        if rng.random() < 0.4:
            return Damage(damage_file(path, rng))
        if path.suffix == ".safetensors":
            return Damage(damage_safetensors(path, rng))
        text, what = damage_json(json.loads(path.read_text()), rng)
        path.write_text(text)
        return Damage(f"{path.name}: {what}")

    def read(self, folder: Path) -> Any:
        run = self._begun(folder)
        if run.position.step == 0:
            raise SatZooError("began again, which is said")
        tensors = {**run.stepper.model.state_dict(), "stream": run.stepper.generator.get_state()}
        for i, moments in run.stepper.optimizer.state_dict()["state"].items():
            tensors |= {f"{i}.{k}": v for k, v in moments.items() if isinstance(v, torch.Tensor)}
        tensors["order"] = run.position.order
        at = (run.position.step, run.position.epoch, run.position.batch, run.log)
        groups = run.stepper.optimizer.state_dict()["param_groups"]
        return repr((at, groups, run.stepper.schedule.state_dict(), run.best.robust)), tensors

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        (at, tensors), (was_at, were) = found, original
        if at != was_at:
            return f"{at:.300} instead of {was_at:.300}"
        if tensors.keys() != were.keys():
            return "other tensors"
        changed = [name for name, tensor in tensors.items() if not torch.equal(tensor, were[name])]
        return f"{changed[0]} is another tensor" if changed else ""

    def _begun(self, folder: Path) -> Training:
        return Training(_CARD, self._recipe, self._feed, folder=folder, limit_steps=2)


def _pictures() -> ImageSet:
    stream = torch.Generator().manual_seed(1)
    x = torch.randint(0, 255, (32, 1, 8, 8), generator=stream, dtype=torch.uint8)
    return from_tensors(x, torch.arange(32) % 10)
