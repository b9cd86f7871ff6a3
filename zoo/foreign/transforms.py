"""The evaluation transforms of torchvision, as what a card says of them. No torch here."""

from __future__ import annotations

import math
from typing import Any

from eval.errors import ModelError

_KERNELS = {"nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"}


def resized(resize: int, crop: int, kernel: str, who: str) -> dict[str, Any]:
    """The fields of an `InputSpec` that resize the shorter side, then cut out the centre.

    timm does the same with Pillow, but says the resized side as a share: `floor(crop / share)`.
    kernel: a name of `torchvision.transforms.InterpolationMode`.

    Raises `ModelError` for what timm cannot say.
    """
    share = crop / resize
    while share < 1 and math.floor(crop / share) > resize:
        share = math.nextafter(share, 1)
    while math.floor(crop / share) < resize:
        share = math.nextafter(share, 0)
    if kernel not in _KERNELS or share > 1 or math.floor(crop / share) != resize:
        raise ModelError(
            f"{who} takes pictures resized to {resize} by {kernel!r} and cut to {crop}, which is"
            " not done here: use `evaluate(model)` with images of your own"
        )
    return {
        "size": crop,
        "preprocess": "timm-eval",
        "interpolation": kernel,
        "crop_pct": share,
    }


def spec_of(steps: list[Any], who: str) -> dict[str, Any]:
    """The same of `torchvision.transforms`, in their order, of which the last is `ToTensor`.

    Resize and CenterCrop, CenterCrop alone, or neither: then `size` is not said.
    """
    names = [type(step).__name__ for step in steps]
    if names == ["ToTensor"]:
        return {"preprocess": "none"}
    if names == ["CenterCrop", "ToTensor"]:
        return {"size": _edge(steps[0].size, who), "preprocess": "center-crop"}
    if names == ["Resize", "CenterCrop", "ToTensor"]:
        kernel = getattr(steps[0].interpolation, "value", "")
        return resized(
            _edge(steps[0].size, who, is_shorter=True), _edge(steps[1].size, who), kernel, who
        )
    raise ModelError(
        f"{who} takes pictures through {', '.join(names) or 'nothing'}, which is not done here: use"
        " `evaluate(model)` with images of your own"
    )


def _edge(size: Any, who: str, *, is_shorter: bool = False) -> int:
    """An int as it is, (n,) as n, and (n, n) too unless a shorter side is meant."""
    sides = [size] if isinstance(size, int) else list(size)
    if len(set(sides)) != 1 or (is_shorter and len(sides) != 1):
        raise ModelError(
            f"{who} takes pictures of the size {size}, which is not done here: use"
            " `evaluate(model)` with images of your own"
        )
    return int(sides[0])
