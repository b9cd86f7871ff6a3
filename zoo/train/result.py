"""The folder that a training run leaves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import yaml
from safetensors.torch import save as to_bytes

from eval.errors import UsageError
from eval.files import write_atomically
from zoo.loading import ZooModel
from zoo.train.loop import EpochResult
from zoo.train.recipe import Recipe


def save(folder: Path, model: ZooModel, recipe: Recipe, log: list[EpochResult]) -> tuple[Path, str]:
    """Write `model.safetensors`, `recipe.yaml` and `metrics.jsonl` into `folder`.

    Returns the path of the weights and their sha256. Raises `UsageError` if the folder cannot be
    made, `ReportError` if a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be made: {error.strerror}") from error
    tensors = {name: tensor.contiguous() for name, tensor in model.net.state_dict().items()}
    content = to_bytes(tensors)
    path = folder / "model.safetensors"
    write_atomically(path, content)
    text = yaml.safe_dump(recipe.model_dump(), sort_keys=False)
    write_atomically(folder / "recipe.yaml", text.encode())
    lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in log)
    write_atomically(folder / "metrics.jsonl", lines.encode())
    return path, hashlib.sha256(content).hexdigest()
