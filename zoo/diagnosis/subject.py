"""The model that is to be explained, asked about the fixed images.

It comes back as it was, in the mode that it has: a model in train mode is asked in train mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from eval.data.files.pictures import open_picture
from eval.engine.classifier import logits_of, where_logits_are
from eval.errors import ModelError, SatZooError, first_line
from eval.files.border import plain
from zoo.golden.pictures import Drawn
from zoo.golden.record import as_input, batches, pixels_of
from zoo.model import ZooModel

Logits = NDArray[np.float32]
PicturePipeline = Callable[[Image.Image], Any]


@dataclass(frozen=True)
class Subject:
    """A model of somebody's, and what it does to pictures; None for what the card promises."""

    model: nn.Module
    name: str
    preprocess: PicturePipeline | None = None

    def raw(self, x: Tensor) -> tuple[Logits, bool]:
        """Its logits on a batch, and whether a second pass gives others.

        Raises `ModelError` for a model that fails on it.
        """
        first, again = self._logits(x), self._logits(x)
        return first, not np.array_equal(first, again, equal_nan=True)

    def pictures(self, drawn: Sequence[Drawn], of: ZooModel) -> Logits:
        """Its logits on picture files. Raises `ModelError` as `raw`, or for a failing pipeline."""
        shown = [self._input(one, of) for one in drawn]
        alike = len({one.shape for one in shown}) == 1
        groups = batches(shown) if alike else [one[None] for one in shown]
        return np.concatenate([self._logits(batch) for batch in groups])

    def _input(self, picture: Drawn, of: ZooModel) -> Tensor:
        if self.preprocess is None:
            return as_input(pixels_of(of, picture))
        try:
            made = self.preprocess(open_picture(picture.content, picture.name))
            return _as_tensor(made)
        except SatZooError:
            raise
        except Exception as error:  # a stranger's pipeline may raise anything
            raise ModelError(
                f"preprocess fails on the picture {picture.name} ({type(error).__name__}:"
                f" {plain(first_line(error))}): it must take a PIL picture and return (C, H, W)"
            ) from error

    def _logits(self, x: Tensor) -> Logits:
        tensors = [*self.model.parameters(), *self.model.buffers()]
        device = tensors[0].device if tensors else torch.device("cpu")
        real = [one.dtype for one in tensors if one.is_floating_point()]
        kept = [buffer.clone() for buffer in self.model.buffers()]
        try:
            with torch.no_grad():
                given = x.to(device, real[0] if real else torch.float32).clone()
                output = self.model(given)
            logits = logits_of(output, where_logits_are(output, self.name))
            return logits.float().cpu().numpy().reshape(len(x), -1)
        except SatZooError:
            raise
        except Exception as error:  # a stranger's forward may raise anything
            raise ModelError(
                f"model {self.name!r} fails on images of shape {tuple(x.shape)}"
                f" ({type(error).__name__}: {plain(first_line(error))}): give one that takes them"
            ) from error
        finally:
            with torch.no_grad():
                for buffer, value in zip(self.model.buffers(), kept, strict=True):
                    buffer.copy_(value)


def _as_tensor(made: Any) -> Tensor:
    """(C, H, W) float32 of what a pipeline returned: that, (1, C, H, W), or an array (H, W, C)."""
    if isinstance(made, Tensor):
        x = made[0] if made.ndim == 4 and len(made) == 1 else made
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
    else:
        array = np.asarray(made)
        array = array[..., None] if array.ndim == 2 else array
        x = as_input(array)
    if x.ndim != 3 or x.shape[0] not in {1, 3}:
        raise ValueError(f"it returned the shape {tuple(x.shape)}")
    return x
