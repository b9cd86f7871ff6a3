"""How a model and its images come to a worker, and how it knows that they are the driver's."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from eval.data.arrays import ArraySource
from eval.data.decoded import Decoded, decoded_once
from eval.data.prints import CheckedPixels
from eval.definition import (
    is_named,
    named_files_sha256,
    travelled_sha256,
    weights_sha256,
)
from eval.errors import DataError, ModelError, SatZooError, WeightsMismatch, first_line
from eval.factory import make_model

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from eval.data import ImageSet
    from eval.data.base import Opening


@dataclass(frozen=True)
class Factory:
    """A model that a user's Python makes, see `eval.factory`: it travels by name, its code beside.

    path: "MODULE:FUNCTION". options: what it is called with.
    """

    path: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> nn.Module:
        """The module, with whatever weights it is made with."""
        return make_model(self.path, self.options)


@dataclass(frozen=True)
class ModelParcel:
    """A model on its way. Unpacked, it has these weights, or the worker is none of this run.

    made_by: makes the module and is then filled with `weights`; None where `pickled` is all of it.
    weights_sha256: see `eval.definition`. code_sha256: of code and settings. Few images are looked
    at on arrival, so that code which seldom computes something else is not seen by its logits.
    """

    weights_sha256: str
    code_sha256: str
    made_by: Factory | None = None
    weights: Mapping[str, NDArray[Any]] | None = None
    pickled: bytes = b""

    @classmethod
    def of(
        cls, model: nn.Module, made_by: Factory | None, dumps: Callable[[object], bytes]
    ) -> ModelParcel:
        """Raises `ModelError` for a model that cannot travel."""
        digest = weights_sha256(model)
        if made_by is not None:
            weights = {name: _bytes_of(tensor) for name, tensor in _tensors(model).items()}
            again = made_by()  # what was made may have been called since, and hold a cache
            _fill(again, weights)
            return cls(digest, _code_sha256(again), made_by, weights)
        try:
            pickled = dumps(model)
            return cls(digest, _code_sha256(pickle.loads(pickled)), pickled=pickled)
        except Exception as error:  # a stranger's modules may hold anything
            raise ModelError(
                f"the model cannot travel to other processes ({type(error).__name__}:"
                f" {first_line(error)}): give the function that makes it as `factory`, for example"
                " mymodels.nets:build"
            ) from error

    def unpacked(self, loads: Callable[[bytes], Any]) -> nn.Module:
        """The model, in eval mode; raises `ModelError` and `WeightsMismatch`."""
        if self.made_by is not None:
            model = self.made_by()
            _fill(model, self.weights or {})
        else:
            try:
                model = loads(self.pickled)
            except Exception as error:
                raise ModelError(
                    f"the model cannot be unpacked ({type(error).__name__}: {first_line(error)}):"
                    " install what it is made of on this machine too"
                ) from error
        got = weights_sha256(model)
        if got != self.weights_sha256:
            raise WeightsMismatch(
                f"the weights have the digest {got[:12]} here and {self.weights_sha256[:12]} at the"
                " driver: make the model of the same code and files on each machine"
            )
        if (found := _code_sha256(model)) != self.code_sha256:
            raise ModelError(
                f"the model has the same weights here as at the driver, but other code or settings"
                f" ({found[:12]} instead of {self.code_sha256[:12]}): bring the same files and"
                " versions to each machine"
            )
        return model


def _code_sha256(model: nn.Module) -> str:
    """Where code came in the pickle itself, elsewhere there may be no file of it."""
    has_names = all(is_named(type(module)) for module in model.modules())
    return travelled_sha256(model) if has_names else named_files_sha256(model)


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Those of the state dict, and the buffers that are not saved."""
    return {**dict(model.named_buffers()), **model.state_dict()}


def _bytes_of(tensor: torch.Tensor) -> NDArray[Any]:
    # numpy has no bfloat16, so that bytes travel.
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().copy()


def _fill(model: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    own = _tensors(model)
    if own.keys() != weights.keys():
        raise WeightsMismatch(
            "the factory makes another network here than at the driver: bring the same code to"
            " each machine"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            raw = torch.from_numpy(weights[name].copy())
            if raw.numel() != tensor.numel() * tensor.element_size():
                raise WeightsMismatch(
                    f"the factory makes {name} of another size here than at the driver: bring the"
                    " same code to each machine"
                )
            tensor.copy_(raw.view(tensor.dtype).reshape(tensor.shape))


@dataclass(frozen=True)
class ImagesParcel:
    """Images on their way: themselves, or, where `opening` is given, how to open them.

    ids: those of the run, in its order.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    opening: Opening | None = None
    images: ImageSet | None = None

    @classmethod
    def of(cls, images: ImageSet) -> ImagesParcel:
        """How `images` travel: those in memory by themselves, others by what opens them."""
        source = images.source.inner if isinstance(images.source, Decoded) else images.source
        if images.opening is not None and not isinstance(source, ArraySource):
            return cls(images.ids, images.labels, opening=images.opening)
        return cls(images.ids, images.labels, images=replace(images, source=source))

    def unpacked(self, each: NDArray[np.uint8], opened: Callable[[Opening], ImageSet]) -> ImageSet:
        """The images, of which every one is looked at, see `eval.data.prints.CheckedPixels`.

        opened: opens all that an opening opens.
        Raises `DataError` for images that are not here, and for other labels.
        """
        if self.images is not None:
            images = self.images
        else:
            assert self.opening is not None, "a parcel of nothing"
            images = opened(self.opening)
            if images.ids != self.ids:
                images = _selected(images, self.ids)
        if not np.array_equal(images.labels, self.labels):
            first = int(np.flatnonzero(images.labels != self.labels)[0])
            raise DataError(
                f"{images.name} ({images.split}): {images.ids[first]!r} has another label here:"
                " bring the same files to this machine"
            )
        rows = np.arange(len(images), dtype=np.int64)
        return decoded_once(replace(images, rows=rows, source=CheckedPixels(images, each)))


def _selected(images: ImageSet, ids: tuple[str, ...]) -> ImageSet:
    try:
        return images.select_ids(ids)
    except SatZooError as error:
        raise DataError(f"images of the run are not here ({error})") from None
