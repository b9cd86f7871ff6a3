"""The folder that a training run leaves: what `push` and the leaderboard need."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save as to_bytes

from eval.errors import UsageError
from eval.files import write_atomically
from zoo.train.events import EpochResult, Outcome
from zoo.train.recipe import Recipe

WEIGHTS, RECIPE, METRICS, ABOUT = "model.safetensors", "recipe.yaml", "metrics.jsonl", "run.json"


def make_folder(folder: Path) -> None:
    """Make the run's folder. Raises `UsageError` if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be made: {error.strerror}") from error


def write_metrics(folder: Path, log: list[EpochResult]) -> None:
    """Write `metrics.jsonl`, one line an epoch."""
    lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in log)
    write_atomically(folder / METRICS, lines.encode())


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.yaml`, with every field."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    write_atomically(folder / RECIPE, text.encode())


def save(
    folder: Path, outcome: Outcome, recipe: Recipe, about: Mapping[str, Any]
) -> tuple[Path, str]:
    """Write the weights, the recipe, the metrics and `run.json` into `folder`.

    Returns the path of the weights and their sha256. Raises `ReportError` if a file cannot be
    written.
    """
    content = to_bytes(dict(outcome.tensors))
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / WEIGHTS
    write_atomically(path, content)
    write_recipe(folder, recipe)
    write_metrics(folder, outcome.log)
    chosen = next((e for e in outcome.log if e.epoch == outcome.chosen_epoch), outcome.log[-1])
    record = {
        **about,
        "weights_sha256": sha256,
        "is_complete": outcome.is_complete,
        "chosen": asdict(chosen),
        "versions": versions(),
    }
    write_atomically(folder / ABOUT, (json.dumps(record, indent=2) + "\n").encode())
    return path, sha256


def versions() -> dict[str, str]:
    """What the numbers depend on besides the recipe."""
    return {
        "sat-zoo": version("sat-zoo"),
        "torch": torch.__version__,
        "timm": version("timm"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
    }
