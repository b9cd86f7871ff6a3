"""Measured against published. `results/` holds the Reports that our documents quote."""

from importlib.util import find_spec
from pathlib import Path


def _check_ours(name: str) -> None:
    """Raises `ImportError` where a file or folder of the user's hides our package `name`.

    As `zoo.ours`, which cannot be asked: it may be hidden too.
    """
    spec = find_spec(name)
    origin = Path((spec and spec.origin) or "?")
    if origin.parent != Path(__file__).parents[1] / name:
        what = origin.parent if origin.name == "__init__.py" else origin
        raise ImportError(
            f"{what} hides sat-zoo's package of the same name, {name}: rename it, or run Python"
            " from another folder and take that one out of PYTHONPATH",
            name=name,
        )


for _name in ("eval", "zoo"):
    _check_ours(_name)
