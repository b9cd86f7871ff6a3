"""The one door to a caller's model: images in [0, 1] in, logits out, however it wants to be called.

Everything here that passes images through a model does it through a `Classifier`, so that clean
pass, search and verification can never call it in two ways. `eval.engine.contract` finds out which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from eval.errors import ModelError

Output = Literal["tensor", "logits", "only"]
"""Where a model's output holds the logits: it is them; its field `logits`; its only element."""


@dataclass(frozen=True)
class Contract:
    """What a model needs of whoever calls it.

    n_classes: how many logits it returns, 0 if nobody looked yet. output: where they are.
    dtype: that it computes in; images are cast to it.
    changes_input: it writes into its images, so that it is given a copy.
    interacts: an image's logits depend on the others in its batch, so that each passes alone.
    """

    n_classes: int = 0
    output: Output = "tensor"
    dtype: torch.dtype = torch.float32
    changes_input: bool = False
    interacts: bool = False


class Classifier(nn.Module):
    """`model`, called as its `contract` says."""

    def __init__(self, model: nn.Module, contract: Contract | None = None) -> None:
        super().__init__()
        self.model = model
        self.contract = contract or Contract()

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) float32 in [0, 1] -> logits (B, K) in the model's dtype."""
        if self.contract.interacts:
            return torch.cat([self._logits(one) for one in torch.split(x, 1)])
        return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        x = x.to(self.contract.dtype)
        output = self.model(x.clone() if self.contract.changes_input else x)
        return logits_of(output, self.contract.output)

    def around(self, model: nn.Module) -> Classifier:
        """Another model, such as a copy, called in the same way."""
        return Classifier(model, self.contract)


def where_logits_are(output: object, name: str) -> Output:
    """What kind of output this is; raises `ModelError` where nothing says which part is logits."""
    if isinstance(output, Tensor):
        return "tensor"
    if isinstance(_field(output), Tensor):
        return "logits"
    if isinstance(output, list | tuple) and len(output) == 1 and isinstance(output[0], Tensor):
        return "only"
    kind = type(output).__name__
    if isinstance(output, Mapping):
        kind += f" with {', '.join(map(repr, list(output)[:5])) or 'nothing in it'}"
    elif isinstance(output, list | tuple):
        kind += f" of {len(output)}"
    through = "; no gradient comes through NumPy" if type(output).__module__ == "numpy" else ""
    raise ModelError(
        f"model {name!r} returned a {kind}: its forward must return logits of shape (images,"
        f" classes), or something with these in a field called logits{through}"
    )


def logits_of(output: object, kind: Output) -> Tensor:
    """The logits in a model's `output` of this kind."""
    found = output
    if kind == "logits":
        found = _field(output)
    elif kind == "only":
        found = output[0]  # type: ignore[index]
    if not isinstance(found, Tensor):
        raise ModelError(
            f"the model returned a {type(output).__name__} where it returned logits before: its"
            " forward must return the same kind of thing for every batch"
        )
    return found


def _field(output: object) -> object:
    return output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
