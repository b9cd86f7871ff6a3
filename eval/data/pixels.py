"""From whatever holds pictures to one checked array: what it may be, and what to do if it is not.

No torch at import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eval.errors import DataError, UsageError
from eval.files.border import plain

if TYPE_CHECKING:
    from torch import Tensor

Stored = NDArray[np.uint8] | NDArray[np.float32]

CHANNELS = (1, 2, 3, 4)
"""Of pictures; what has so many at its end and not before height and width is channels last."""

_UNIT = np.float32(1) / np.float32(255)


def as_array(given: ArrayLike | Tensor | Sequence[Tensor], what: str) -> NDArray[Any]:
    """Numbers as NumPy has them, not yet checked; a tensor may be on any device, in any layout.

    given: an array, a tensor, or a list of these or of numbers. what: its name, for errors. Half
    precision and float64 are kept; bfloat16 becomes the float32 with the same value.
    Raises UsageError for pictures of Pillow, texts, lists whose parts differ in shape, and
    bfloat16 in which 8-bit levels are lost.
    """
    torch = sys.modules.get("torch")  # who never loaded it holds no tensor
    if isinstance(given, list | tuple) and given:
        _refuse_pillow(given[0], what)
        if torch is not None and all(isinstance(one, torch.Tensor) for one in given):
            if len({one.shape for one in given}) > 1:
                raise _ragged(what)
            given = torch.stack([one.detach().cpu() for one in given])
    if torch is not None and isinstance(given, torch.Tensor):
        return _of_tensor(given, what)
    _refuse_pillow(given, what)
    if given is None or isinstance(given, str | bytes | dict | set) or callable(given):
        raise UsageError(
            f"{what} is a {type(given).__name__}: give a tensor, a NumPy array or a list of numbers"
        )
    try:
        found = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        if "inhomogeneous" in str(error):
            raise _ragged(what) from error
        raise UsageError(
            f"{what} ({type(given).__name__}) cannot be made an array ({plain(str(error), 80)}):"
            " give a tensor, a NumPy array or a list of numbers"
        ) from error
    if found.dtype.kind == "O":
        raise UsageError(
            f"{what} ({type(given).__name__}) holds objects that are no numbers: give a tensor, a"
            " NumPy array or a list of numbers"
        )
    return found


def check_layout(shape: tuple[int, ...], what: str) -> None:
    """Raises UsageError unless (N, C, H, W); says what to do about the layouts that people have."""
    if len(shape) == 4:
        if shape[1] in CHANNELS or shape[3] not in CHANNELS:
            return
        problem = ", channels last: give x.permute(0, 3, 1, 2) of a tensor,"
        problem += " x.transpose(0, 3, 1, 2) of an array"
    elif len(shape) == 3 and (shape[0] in CHANNELS or shape[2] in CHANNELS):
        problem = ": of one picture give x[None], of grey ones add the channel, x[:, None]"
    elif len(shape) == 3:
        problem = ": add the channel, x[:, None]"
    elif len(shape) == 2:
        problem = ": x.reshape(-1, C, H, W) makes pictures of flat rows"
    else:
        problem = ""
    raise UsageError(f"{what} has shape {shape}, expected (N, C, H, W){problem}")


def checked_pixels(images: NDArray[Any]) -> tuple[Stored, int]:
    """The images as stored (a copy: the caller may write into his own) and their scale.

    images: any shape. Raises UsageError for a type that has no range; DataError as `check_range`.
    """
    if images.dtype == np.uint8:
        if images.size and int(images.max()) == 1:
            raise DataError(
                "images are uint8 and hold nothing but 0 and 1, of 255: pixels in [0, 1] must stay"
                " floating point, or be multiplied by 255 before they are rounded"
            )
        return images.copy(), 255
    if images.dtype.kind != "f":
        raise UsageError(
            f"images are {images.dtype}: give uint8 in 0..255 or floating point in [0, 1], such as"
            " x.astype(np.uint8) or x / 255"
        )
    low, high = float(images.min()), float(images.max())
    check_range(low, high)
    check_not_dark(high)
    return images.astype(np.float32), 1


def check_range(low: float, high: float) -> None:
    """Raises DataError for floating-point pixels outside [0, 1], with the likely reason."""
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError("images hold NaN or infinity; every pixel must be a number in [0, 1]")
    if low >= 0 and high <= 1:
        return
    said = f"images reach from {low:g} to {high:g}, but floating-point pixels must lie in [0, 1]"
    if low >= -0.01 and high <= 1.01:
        fix = "resizing overshoots a little: clamp them to [0, 1]"
    elif low < 0:
        fix = "undo the normalisation (take Normalize out of the transforms): the model applies it"
        fix += " itself, as its first layer"
    else:
        fix = "divide by 255, or undo the normalisation (the model applies it itself)"
    raise DataError(f"{said}; {fix}")


def check_not_dark(high: float) -> None:
    """Raises DataError for pictures whose brightest pixel is the first grey level, 1/255."""
    if 0 < high <= 1.001 * _UNIT:
        raise DataError(
            f"images reach only to {high:.3g}, at most 1/255 and all but black: they seem to be"
            " divided by 255 twice (ToTensor does it already), or made whole numbers before they"
            " were multiplied by it"
        )


def of_pillow(what: str) -> UsageError:
    """What to say of pictures that are no numbers yet."""
    return UsageError(
        f"{what} holds pictures of Pillow: make tensors of them, with"
        " transform=torchvision.transforms.ToTensor() where the data set is made"
    )


def _of_tensor(given: Tensor, what: str) -> NDArray[Any]:
    import torch

    if given.is_sparse or given.is_quantized or given.device.type == "meta":
        raise UsageError(f"{what} is a tensor without plain numbers in memory: give a dense one")
    found = given.detach().cpu().resolve_conj().resolve_neg()
    if found.dtype == torch.bfloat16:  # which NumPy does not have
        found = found.float()
        levels = (found * 255).round() / 255
        if bool(((found - levels).abs() > 1e-6).any()):
            raise UsageError(
                f"{what} is bfloat16, whose 8 bits move pixels by up to half a grey level, so that"
                " these are other pictures: give them as float32 or uint8, as they were read"
            )
    array: NDArray[Any] = found.numpy()
    return array


def _refuse_pillow(given: object, what: str) -> None:
    if type(given).__module__.split(".")[0] == "PIL":
        raise of_pillow(what)


def _ragged(what: str) -> UsageError:
    return UsageError(
        f"{what} holds parts of different shapes: bring all to one size, as Resize and CenterCrop"
        " do"
    )
