"""The networks that the readings of an official checkpoint are, and where findings are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from eval.errors import WeightsMismatch
from eval.files.writing import write_atomically
from zoo import networks
from zoo.cards import ModelCard
from zoo.loading import load
from zoo.model import ZooModel
from zoo.official.convert import load_tf
from zoo.official.evidence.readings import Findings, Readable, Reading, Values, said_by
from zoo.official.format.tensor_bundle import TensorBundle
from zoo.weights.store import Store, Stored

__all__ = ["RECORD", "of_checkpoint", "of_weights", "record"]

RECORD = "readings"
"""Under which name a weight store's provenance holds what was found."""

_SHADOW = "/ExponentialMovingAverage"


def of_checkpoint(
    info: ModelCard, prefix: Path, *, device: str = "cpu", store: Store | None = None
) -> Readable:
    """Both sets of values of the checkpoint at `prefix`, where it holds both.

    They are read as they were for `store`, if the weights in it are of these files, else as the
    card says. Raises as `load_tf` does if neither set can be read.
    """
    stored = (store or Store()).find(info.name)
    used = said_by(info)
    bundle = TensorBundle(prefix)
    if stored is not None and _is_of(stored, bundle):
        used = _read_as(stored, used)
    has_averages = any(name.endswith(_SHADOW) for name in bundle.variables)
    nets: dict[Values, nn.Module] = {}
    problems: list[WeightsMismatch] = []
    for values in get_args(Values) if has_averages else ("weights",):
        is_averaged = values == "moving averages"
        try:
            state = load_tf(info, bundle, channel_order=used.channel_order, ema=is_averaged)
        except WeightsMismatch as error:
            problems.append(error)
            continue
        with torch.device("meta"):
            net = networks.build(info)
        net.load_state_dict(state, assign=True)
        nets[values] = ZooModel(net, info, "file").to(device).eval().requires_grad_(False)
    if not nets:
        raise problems[0]
    not_tried = [str(problem) for problem in problems]
    if not has_averages:
        not_tried.append("the moving averages: the checkpoint holds none")
    return Readable(nets, used, tuple(not_tried))


def of_weights(info: ModelCard, *, device: str = "cpu") -> Readable:
    """The weights that sat-zoo uses; one set of values, so that question stays open.

    Raises as `zoo.load` does.
    """
    used = said_by(info)
    model = load(info.name, device=device)
    stored = Store().find(info.name)
    if model.source == "store" and stored is not None:
        used = _read_as(stored, used)
    (other,) = set(get_args(Values)) - {used.values}
    return Readable(
        {used.values: model},
        used,
        (f"the {other}: converted weights hold one set; name the checkpoint with `checkpoint`",),
    )


def record(findings: Findings, store: Store, checkpoint: Path | None = None) -> Path | None:
    """Write what was found into the provenance of the model in `store`; returns that file.

    checkpoint: what the findings are about, if not the stored weights themselves. None is returned,
    and nothing written, where nothing was settled, and where the store holds no weights of the
    model, or those of another checkpoint.
    """
    stored = store.find(findings.model)
    if stored is None or not any(contest.is_settled for contest in findings.contests):
        return None
    if checkpoint is not None and not _is_of(stored, TensorBundle(checkpoint)):
        return None
    path = stored.path.with_name("provenance.json")
    known = {**stored.provenance, RECORD: findings.model_dump(mode="json", by_alias=True)}
    write_atomically(path, (json.dumps(known, indent=2) + "\n").encode())
    return path


def _is_of(stored: Stored, checkpoint: TensorBundle) -> bool:
    """Whether stored weights were imported from the files of this checkpoint, byte by byte."""
    files = stored.provenance.get("files")
    if not isinstance(files, dict):
        return False
    known = {name: entry.get("sha256") for name, entry in files.items() if isinstance(entry, dict)}
    return all(known.get(name) == of["sha256"] for name, of in checkpoint.digests().items())


def _read_as(stored: Stored, said: Reading) -> Reading:
    """How stored weights were read when they were imported; `said` where nobody wrote it down."""
    order = stored.provenance.get("channel_order", {}).get("checkpoint", said.channel_order)
    is_averaged = stored.provenance.get("moving_averages", said.values == "moving averages")
    return Reading(order, "moving averages" if is_averaged else "weights")
