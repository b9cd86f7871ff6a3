"""Whether weights that were just loaded answer as where they were made."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from eval.errors import WeightsMismatch
from zoo.golden.file import AboutGolden, Golden, read_golden
from zoo.golden.raw import IMAGES, answers, raw_images
from zoo.golden.tolerance import distances, precision, tolerance
from zoo.model import ZooModel
from zoo.weights.beside import golden_beside

_log = logging.getLogger(__name__)

N_CHECKED = 4
"""Of the fixed tensors that are passed at each load; `sat-zoo doctor NAME` passes all."""

CPU = torch.device("cpu")


_PASSED: set[tuple[object, ...]] = set()
"""What was compared in this process and agreed: a second load of the same costs nothing."""


def check_loaded(model: ZooModel, weights: Path) -> None:
    """See that a model on the CPU answers as the golden logits beside its weights say.

    weights: its weight file. Without golden logits this is said in the log. What has the same
    weights and the same definition as a model that agreed before, in this process, is not asked
    again. Cost, first load of a process included its imports: 3 to 5 %; see docs/golden.md.

    Raises `WeightsMismatch` where it does not, and for golden logits that are damaged or of other
    weights.
    """
    path = golden_beside(weights)
    key = (model.file_sha256, model._loaded, precision(CPU), path, *_state(path))
    if key in _PASSED:
        return
    golden = read_golden(path, model.file_sha256)
    if golden is None:
        _log.info("%s: no golden logits lie at %s: not compared", model.card.name, path)
        return
    found = _differs(golden, model)
    if found:
        raise WeightsMismatch(
            f"{model.card.name}: {found}: find out why with: sat-zoo doctor"
            f" {model.card.name}, or in Python load it all the same with check=False"
        )
    _PASSED.add(key)


def _state(path: Path) -> tuple[int, ...]:
    """What changes with the file at `path`."""
    try:
        now = path.stat()
    except (OSError, ValueError):
        return ()
    return now.st_size, now.st_mtime_ns, now.st_ino


def _differs(golden: Golden, model: ZooModel) -> str:
    about = golden.about
    if about.images != IMAGES:  # of a later version: it knows other images
        _log.info("golden logits of images %s: not compared", about.images)
        return ""
    channels = model.card.input.channels
    other = AboutGolden.same_input(model.card, about.input)
    if about.input.channels != channels:
        return f"its weights were recorded with another input ({other})"
    x = raw_images(channels, about.raw_size, N_CHECKED, about.seed)
    found = distances(answers(model, x), golden.raw[:N_CHECKED], golden.raw)
    allowed = tolerance(CPU)
    if found.max() <= allowed:
        return ""
    why = f"; its input is said to be {other}" if other else ""
    return (
        f"on {int((found > allowed).sum())} of {N_CHECKED} fixed images it does not answer as where"
        f" its weights were made, by up to {found.max():.2g} of the logits' spread, and"
        f" {allowed:g} are allowed (torch {torch.__version__} in {precision(CPU)}, there"
        f" {about.torch}{why})"
    )
