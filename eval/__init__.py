"""The instrument: adversarial robustness of any `torch.nn.Module`, verified.

- `evaluate(model, data)`: clean and robust accuracy; of models with a card see `zoo.evaluate`.
- `attack(model, x, y, "pgd-20")`: adversarial images of tensors, each verified, as `Attacked`.
- `curve(model, data, eps="1/255:16/255")`: accuracy against eps, or against steps, as a `Curve`.
- `open_data(name)`: a known data set, checked to be what its name says.
- `protocol(name)`: what an attack's name stands for, with every hyper-parameter.
- `Report`: the result, with each image's verdict. `Threat`: the ball around an image.

`from eval import evaluate, Report, Threat` (never import this package by its bare name, which
would hide the builtin). Names are loaded on first use: importing the package imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.attacking import Attacked, attack
    from eval.curves.curve import Curve
    from eval.curves.measure import curve
    from eval.data import open_data
    from eval.evaluation import evaluate
    from eval.protocols import protocol
    from eval.report.report import Report
    from eval.threat import Threat

_HOMES = {
    "Attacked": "eval.attacking",
    "attack": "eval.attacking",
    "Curve": "eval.curves.curve",
    "curve": "eval.curves.measure",
    "Report": "eval.report.report",
    "Threat": "eval.threat",
    "evaluate": "eval.evaluation",
    "open_data": "eval.data",
    "protocol": "eval.protocols",
}
__all__ = [
    "Attacked",
    "Curve",
    "Report",
    "Threat",
    "attack",
    "curve",
    "evaluate",
    "open_data",
    "protocol",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
