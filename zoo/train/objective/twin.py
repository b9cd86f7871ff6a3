"""A copy of the network for the attack to run on, with batch norm folded into convolutions.

In inference mode batch norm is a scale and a shift of each channel, which the convolution before
it can do. The copy computes the same function up to rounding, for a quarter less time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eval.engine.folding import foldable, take_out
from eval.errors import ModelError
from zoo.model import ZooModel

_TOLERANCE = 1e-3
_Names = Mapping[nn.Module, str]


@dataclass(frozen=True)
class _Pair:
    """A convolution and the batch norm that alone reads it, and the copy's convolution."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    folded: nn.Conv2d


class Twin:
    """The folded copy `net` of `model`; `refresh` brings it up to date, which costs little.

    x: (B, C, H, W), any images, to see which convolution feeds which batch norm.
    Raises `ModelError` if the copy does not compute what the model does.
    """

    def __init__(self, model: ZooModel, x: Tensor) -> None:
        was_training = model.training
        model.eval()
        pairs = foldable(model, x)
        names = {module: name for name, module in model.named_modules()}
        self.net = copy.deepcopy(model).requires_grad_(False)
        self._pairs = [_fold(self.net, conv, norm, names) for norm, conv in pairs.items()]
        mine = {id(p) for pair in self._pairs for p in pair.folded.parameters()}
        theirs = dict([*model.named_parameters(), *model.named_buffers()])
        own = [*self.net.named_parameters(), *self.net.named_buffers()]
        self._others = [(t, theirs[name]) for name, t in own if id(t) not in mine]
        self._check(model, x)
        model.train(was_training)

    @torch.no_grad()
    def refresh(self) -> ZooModel:
        """The copy with the weights and statistics that the model has now."""
        for pair in self._pairs:
            conv, norm, folded = pair.conv, pair.norm, pair.folded
            assert norm.running_mean is not None  # pairs have statistics
            assert norm.running_var is not None
            assert folded.bias is not None
            # Not as the engine folds, once and in float64: this runs for every batch that is
            # attacked, and its order of float32 roundings is part of every published training.
            scale = torch.rsqrt(norm.running_var + norm.eps)
            if norm.weight is not None:
                scale = scale * norm.weight
            shift = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
            bias = shift * scale
            folded.weight.copy_(conv.weight * scale[:, None, None, None])
            folded.bias.copy_(bias if norm.bias is None else bias + norm.bias)
        for own, theirs in self._others:
            own.copy_(theirs)
        return self.net

    def _check(self, model: ZooModel, x: Tensor) -> None:
        with torch.no_grad():
            wanted, got = model(x), self.refresh()(x)
        if not torch.allclose(wanted, got, rtol=_TOLERANCE, atol=_TOLERANCE):
            raise ModelError(
                f"attack_folded: true does not fit {model.card.name}: with batch norm folded its"
                " logits differ; set attack_folded: false in the recipe"
            )


def _fold(copied: nn.Module, conv: nn.Conv2d, norm: nn.BatchNorm2d, names: _Names) -> _Pair:
    folded = copied.get_submodule(names[conv])
    assert isinstance(folded, nn.Conv2d)  # it is the copy of one
    bias = torch.zeros(folded.out_channels, device=folded.weight.device)
    folded.bias = nn.Parameter(bias, requires_grad=False)
    take_out(copied, names[norm])
    return _Pair(conv, norm, folded)
