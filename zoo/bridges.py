"""Models of this zoo, and any other, in the form in which foolbox and ART take them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eval.bridges.models import art_classifier, foolbox_model
from eval.checks import check_model
from eval.engine.classifier import logits_of, where_logits_are
from eval.engine.contract import own_dtype
from eval.errors import ModelError, UsageError, first_line
from eval.files.border import plain
from eval.foreign import LIBRARIES
from zoo.loading import load
from zoo.model import ZooModel

if TYPE_CHECKING:
    from collections.abc import Sequence


class Plain(nn.Module):
    """`model` as libraries expect one: a float tensor of images in, a tensor of logits out.

    Its own modules are out of sight: of an `nn.Sequential` ART calls these one by one, and passes
    over a forward that does more.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training
        self._dtype = own_dtype(model)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] -> logits (B, K), in the model's dtype."""
        output = self.model(x.to(self._dtype))
        return logits_of(output, where_logits_are(output, type(self.model).__name__))


def to_foolbox(model: str | nn.Module) -> Any:
    """A `foolbox.PyTorchModel` with bounds (0, 1) that answers as `model` does, where it lies.

    model: a name of `zoo.list_models()`, or a module in eval mode that takes images (B, C, H, W) in
    [0, 1] and returns logits (B, K), as `zoo.load` returns it.

    Raises UsageError where foolbox is not installed; ModelError for a model in train mode; and what
    `zoo.load` raises.
    """
    _check_library("foolbox")
    plain_model, device = _plain(model)
    return foolbox_model(plain_model, device)


def to_art(
    model: str | nn.Module,
    *,
    input_shape: Sequence[int] | None = None,
    n_classes: int | None = None,
) -> Any:
    """ART's `PyTorchClassifier` that answers as `model` does, where it lies; channels first.

    model: as in `to_foolbox`. input_shape: (C, H, W), needed of a module that is not of
    `zoo.load`. n_classes: for a check; the model is asked for it. The loss is the cross-entropy.

    Raises UsageError where ART is not installed or an argument is missing or wrong; ModelError for
    a model in train mode, or that does not take such images; and what `zoo.load` raises.
    """
    _check_library("art")
    plain_model, device = _plain(model)
    shape = _shape(plain_model.model, input_shape)
    try:
        with torch.no_grad():
            logits = plain_model(torch.zeros(1, *shape, device=device))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ModelError(
            f"the model does not take images of shape {shape} ({plain(first_line(error))}): give"
            " the input_shape that it was made for"
        ) from error
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ModelError(
            f"the model returned shape {tuple(logits.shape)} for one image: it must return logits"
            " of shape (images, classes)"
        )
    if n_classes not in {None, logits.shape[1]}:
        raise UsageError(
            f"`n_classes` is {n_classes}, and the model returns {logits.shape[1]} logits: leave it"
            " out, or give that"
        )
    return art_classifier(plain_model, device, shape, int(logits.shape[1]))


def _plain(model: str | nn.Module) -> tuple[Plain, torch.device]:
    """The model, and where it lies."""
    if isinstance(model, str):
        model = load(model)
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"model is a {type(model).__name__}: give a torch.nn.Module, or a name of"
            " zoo.list_models()"
        )
    check_model(model, type(model).__name__)
    places = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    if len(places) > 1:
        raise UsageError(
            f"the model lies on {' and '.join(sorted(map(str, places)))}: move all of it to one"
            " device, model.to(...)"
        )
    return Plain(model), places.pop() if places else torch.device("cpu")


def _shape(model: nn.Module, said: Sequence[int] | None) -> tuple[int, ...]:
    own = None
    if isinstance(model, ZooModel):
        own = (model.card.input.channels, model.card.input.size, model.card.input.size)
    if said is None and own is None:
        raise UsageError(
            "input_shape is missing: give (channels, height, width) of one image, for example"
            " (3, 32, 32)"
        )
    shape = tuple(said) if said is not None else own
    assert shape is not None
    if len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        raise UsageError(
            f"input_shape {plain(str(shape), 60)} is not (channels, height, width): give for"
            " example (3, 32, 32)"
        )
    return shape


def _check_library(name: str) -> None:
    library = LIBRARIES[name]
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(f"{library.distribution} is not installed: {library.install}") from error
    except Exception as error:  # importing runs a stranger's code
        raise UsageError(
            f"{library.distribution} cannot be imported ({plain(first_line(error))}): mend it, or"
            f" install it again: {library.install}"
        ) from error
