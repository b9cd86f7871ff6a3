"""The formats that are tried, by name; each is imported only where it is read."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.format import Format

FORMATS = {
    "report": "Reports",
    "journal": "Journals",
    "checkpoint": "Checkpoints",
    "npz": "Arrays",
    "zip": "Zips",
    "tar": "Tars",
    "tf_index": "TensorFlowIndexes",
    "hub_config": "HubConfigs",
    "evidence": "EvidenceFiles",
    "weights": "WeightFiles",
}


def format_named(name: str) -> Format:
    """A fresh object for the format."""
    module = import_module(f"tests.fuzz.formats.{name}")
    made: Format = getattr(module, FORMATS[name])()
    return made
