"""The authors' TensorFlow release: reading, converting and downloading its checkpoints.

Names are loaded on first use: importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.official.convert import import_checkpoint, load_tf
    from zoo.official.fetch.download import fetch
    from zoo.official.fetch.obtain import obtain
    from zoo.official.format.tensor_bundle import TensorBundle

_HOMES = {
    "TensorBundle": "zoo.official.format.tensor_bundle",
    "fetch": "zoo.official.fetch.download",
    "import_checkpoint": "zoo.official.convert",
    "load_tf": "zoo.official.convert",
    "obtain": "zoo.official.fetch.obtain",
}
__all__ = ["TensorBundle", "fetch", "import_checkpoint", "load_tf", "obtain"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'zoo.official' has no attribute {name!r}")
