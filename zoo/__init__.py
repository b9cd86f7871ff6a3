"""Smooth Adversarial Training models, and how robust a model is.

- `zoo.evaluate(model)`: clean and robust accuracy, exactly as the command `sat-zoo eval` measures.
- `zoo.curve(model, eps="1/255:16/255")`: accuracy against eps, or steps, as `sat-zoo curve` does.
- `zoo.images(card_or_name)`: the images that a model is measured on, as its card wants them.
- `zoo.diagnose(model)`: whether it answers as its weights' golden logits say, and if not why.
- `zoo.load(name)`: a model, ready to be attacked.
- `zoo.to_foolbox(model)`, `zoo.to_art(model)`: a model as these libraries take one.
- `zoo.card(name)`: its `ModelCard`, all that is known of it.
- `zoo.list_models(pattern)`: the names of all models.
- `zoo.__version__`: of the package sat-zoo.

Importing the package imports no torch; the functions that need it do when they are called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sat_zoo import check_ours

check_ours("eval")  # before anything imports it

from zoo.cards import ModelCard  # noqa: E402
from zoo.registry import card, list_models  # noqa: E402

if TYPE_CHECKING:
    from zoo.bridges import to_art, to_foolbox
    from zoo.curves import curve
    from zoo.diagnosis.diagnose import diagnose
    from zoo.evaluation import evaluate
    from zoo.loading import load
    from zoo.pictures import images

    __version__: str

_HOMES = {
    "curve": "zoo.curves",
    "diagnose": "zoo.diagnosis.diagnose",
    "evaluate": "zoo.evaluation",
    "images": "zoo.pictures",
    "load": "zoo.loading",
    "to_art": "zoo.bridges",
    "to_foolbox": "zoo.bridges",
}
__all__ = [
    "ModelCard",
    "card",
    "curve",
    "diagnose",
    "evaluate",
    "images",
    "list_models",
    "load",
    "to_art",
    "to_foolbox",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("sat-zoo")
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
