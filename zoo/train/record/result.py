"""The folder that a training run leaves: what `push` and the leaderboard need."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save as to_bytes

from eval.errors import UsageError
from eval.files.writing import write_atomically
from zoo.train.recipe import Recipe
from zoo.train.record.curves import draw
from zoo.train.record.events import EpochResult, FinishedRun

WEIGHTS, RECIPE, METRICS, ABOUT = "model.safetensors", "recipe.yaml", "metrics.jsonl", "run.json"
CURVES = "curves.svg"


def make_folder(folder: Path) -> None:
    """Make the run's folder. Raises `UsageError` if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"`out` {folder} cannot be made: {error.strerror}") from error


def write_metrics(folder: Path, log: list[EpochResult]) -> None:
    """Write `metrics.jsonl`, one line an epoch."""
    lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in log)
    write_atomically(folder / METRICS, lines.encode())


def append_metrics(folder: Path, entry: EpochResult) -> None:
    """Put one epoch's line into `metrics.jsonl`, dropping what a killed run said of later ones."""
    path = folder / METRICS
    try:
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        earlier = [line for line in lines if json.loads(line)["epoch"] < entry.epoch]
    except (OSError, ValueError, KeyError):
        earlier = []  # somebody edited it; the whole log is written again at the end
    text = "".join(f"{line}\n" for line in [*earlier, json.dumps(asdict(entry))])
    write_atomically(path, text.encode())


def source_revision(file: Path = Path(__file__)) -> str | None:
    """The commit of the source tree that `file` is part of, "+changes" if edited; None without.

    A repository that does not track `file` is another project, around the environment into which
    this one was installed.
    """
    git = ["git", "-C", str(file.parent)]
    try:
        _output([*git, "ls-files", "--error-unmatch", file.name])
        commit = _output([*git, "rev-parse", "HEAD"])
        return f"{commit}+changes" if _output([*git, "status", "--porcelain"]) else commit
    except (OSError, subprocess.SubprocessError):
        return None


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=10)
    return done.stdout.strip()


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write `recipe.yaml`, with every field."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)
    write_atomically(folder / RECIPE, text.encode())


def save(
    folder: Path, outcome: FinishedRun, recipe: Recipe, about: Mapping[str, Any]
) -> tuple[Path, str]:
    """Write the weights, the recipe, the metrics, their curves and `run.json` into `folder`.

    A `run.json` that says how these very weights were made stays: running a finished run again
    makes nothing new. Returns the path of the weights and their sha256. Raises `ReportError` if a
    file cannot be written.
    """
    content = to_bytes(dict(outcome.tensors))
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / WEIGHTS
    write_atomically(path, content)
    write_recipe(folder, recipe)
    write_metrics(folder, outcome.log)
    title = f"{about['model']}, {len(outcome.log)} epochs"
    write_atomically(folder / CURVES, draw(outcome.log, title).encode())
    if not _is_recorded(folder, about["model"], sha256):
        _record(folder, outcome, about, sha256)
    return path, sha256


def _is_recorded(folder: Path, model: str, sha256: str) -> bool:
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    wanted = {"model": model, "weights_sha256": sha256, "is_complete": True}
    return isinstance(about, dict) and wanted.items() <= about.items()


def _record(folder: Path, outcome: FinishedRun, about: Mapping[str, Any], sha256: str) -> None:
    chosen = next((e for e in outcome.log if e.epoch == outcome.chosen_epoch), outcome.log[-1])
    record = {
        **about,
        "weights_sha256": sha256,
        "is_complete": outcome.is_complete,
        "chosen": asdict(chosen),
        "versions": versions(),
    }
    write_atomically(folder / ABOUT, (json.dumps(record, indent=2) + "\n").encode())


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
