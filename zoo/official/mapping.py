"""Which TensorFlow variable becomes which parameter of a timm network, and how it must be turned.

The names follow from the network's own structure (stages, blocks, shortcuts, activation sites),
so every depth, width and number of groups has its mapping without a table.

Source: github cihangxie/SmoothAdversarialTraining, commit 988c080: `ResNet/` (tensorpack names)
and `EfficientNet/` (TPU names).
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from timm.models.efficientnet import EfficientNet
from timm.models.resnet import ResNet
from torch import nn

from eval.errors import ModelError

Layout = Literal["conv", "depthwise", "linear", "vector"]
_Pair = tuple[str, str, Layout]

# TensorFlow's axes in PyTorch's order: HWIO to OIHW, HWCM to CMHW (M is 1), in-out to out-in.
# Grouped convolutions need nothing else: I already counts the channels of one group.
_AXES = {"conv": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1), "linear": (1, 0)}

_TENSORPACK_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "mean/EMA": "running_mean",  # part of the model: not a moving average of the weights
    "variance/EMA": "running_var",
}
_TPU_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@dataclass(frozen=True)
class Target:
    """Where one variable goes: the state-dict key, its shape there, and the turn it needs."""

    key: str
    shape: tuple[int, ...]
    layout: Layout

    @property
    def tf_shape(self) -> tuple[int, ...]:
        """The shape of the variable in TensorFlow."""
        axes = _AXES.get(self.layout, range(len(self.shape)))
        return tuple(size for _, size in sorted(zip(axes, self.shape, strict=True)))

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether a variable of this shape is the one meant.

        The released evaluation code makes batch-norm arrays of shape (1, 1, 1, 1, C), the stock
        code of shape (C,): both mean the same.
        """
        if self.layout == "vector":
            return shape[-1:] == self.shape and set(shape[:-1]) <= {1}
        return shape == self.tf_shape

    def convert(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """The variable as the network has it: a new contiguous array of `shape`."""
        turned = values.transpose(_AXES[self.layout]) if self.layout in _AXES else values
        return np.array(turned.reshape(self.shape), order="C")


def mapping(network: nn.Module, scope: str = "") -> dict[str, Target]:
    """TensorFlow variable to `Target` for every parameter and buffer, in the network's order.

    network: a timm `ResNet` of bottleneck blocks or an `EfficientNet`; may lie on the meta device.
    scope:   put before every name: EfficientNet's variables lie under the name of the model.

    Raises `ModelError` if the network is neither, or has parts that the official one has not.
    """
    state = network.state_dict()
    if isinstance(network, ResNet):
        pairs = list(_resnet(network, state.keys()))
    elif isinstance(network, EfficientNet):
        pairs = list(_efficientnet(network))
    else:
        raise ModelError(
            f"a {type(network).__name__} has no counterpart in the official release: it knows"
            " ResNet and EfficientNet"
        )
    # Batch counters have no counterpart: they matter only to a cumulative average, which is unused.
    known = dict.fromkeys(key for _, key, _ in pairs)
    strays = [key for key in state if key not in known and not key.endswith("num_batches_tracked")]
    strays += [key for key in known if key not in state]
    if strays:
        raise ModelError(
            f"the network differs from the official one in {', '.join(strays[:3])}"
            f" ({len(strays)} in all), so no official checkpoint fits it"
        )
    return {scope + name: Target(key, tuple(state[key].shape), how) for name, key, how in pairs}


def _norm(name: str, key: str, kinds: dict[str, str]) -> Iterator[_Pair]:
    for theirs, ours in kinds.items():
        yield f"{name}/{theirs}", f"{key}.{ours}", "vector"


def _conv_norm(name: str, conv: str, norm: str) -> Iterator[_Pair]:
    yield f"{name}/W", f"{conv}.weight", "conv"
    yield from _norm(f"{name}/bn", norm, _TENSORPACK_NORM)


def _resnet(network: ResNet, keys: Set[str]) -> Iterator[_Pair]:
    def activation(name: str, key: str) -> Iterator[_Pair]:
        # Only SmoothReLU has a parameter; both sides keep it raw, effective beta = raw^2.
        if f"{key}.raw" in keys:
            yield f"{name}/smoothrelu_beta", f"{key}.raw", "vector"

    yield from _conv_norm("conv0", "conv1", "bn1")
    yield from activation("conv0", "act1")
    for s in range(4):
        for b, block in enumerate(network.get_submodule(f"layer{s + 1}").children()):
            name, key = f"group{s}/block{b}", f"layer{s + 1}.{b}"
            for i in (1, 2, 3):
                yield from _conv_norm(f"{name}/conv{i}", f"{key}.conv{i}", f"{key}.bn{i}")
            yield from activation(f"{name}/conv1", f"{key}.act1")
            yield from activation(f"{name}/conv2", f"{key}.act2")
            yield from activation(name, f"{key}.act3")  # after the addition
            if block.downsample is not None:
                down = f"{key}.downsample"
                yield from _conv_norm(f"{name}/convshortcut", f"{down}.0", f"{down}.1")
    yield "linear/W", "fc.weight", "linear"
    yield "linear/b", "fc.bias", "vector"


def _efficientnet(network: EfficientNet) -> Iterator[_Pair]:
    yield "stem/conv2d/kernel", "conv_stem.weight", "conv"
    yield from _norm("stem/tpu_batch_normalization", "bn1", _TPU_NORM)
    blocks = [
        (f"blocks.{s}.{b}", hasattr(block, "conv_pwl"))
        for s, stage in enumerate(network.blocks.children())
        for b, block in enumerate(stage.children())
    ]
    for number, (key, expands) in enumerate(blocks):
        yield from _mobile_block(f"blocks_{number}", key, expands)
    yield "head/conv2d/kernel", "conv_head.weight", "conv"
    yield from _norm("head/tpu_batch_normalization", "bn2", _TPU_NORM)
    yield "head/dense/kernel", "classifier.weight", "linear"
    yield "head/dense/bias", "classifier.bias", "vector"


def _mobile_block(name: str, key: str, expands: bool) -> Iterator[_Pair]:
    """One block; TensorFlow numbers layers of a kind in the order of their use.

    So without the expanding convolution (the first stage) the projecting one is the first.
    """
    convs = ("conv_pw", "conv_pwl") if expands else ("conv_pw",)
    for conv, suffix in zip(convs, ("", "_1"), strict=False):
        yield f"{name}/conv2d{suffix}/kernel", f"{key}.{conv}.weight", "conv"
    depthwise = f"{name}/depthwise_conv2d/depthwise_kernel"
    yield depthwise, f"{key}.conv_dw.weight", "depthwise"
    for i in range(3 if expands else 2):
        suffix = f"_{i}" if i else ""
        yield from _norm(f"{name}/tpu_batch_normalization{suffix}", f"{key}.bn{i + 1}", _TPU_NORM)
    for conv, suffix in (("conv_reduce", ""), ("conv_expand", "_1")):
        yield f"{name}/se/conv2d{suffix}/kernel", f"{key}.se.{conv}.weight", "conv"
        yield f"{name}/se/conv2d{suffix}/bias", f"{key}.se.{conv}.bias", "vector"
