"""Classifiers of torchvision by name, with its weights and its own evaluation transforms.

    torchvision:MODEL/WEIGHTS, as torchvision:resnet50/IMAGENET1K_V2

Its files are pickles, which are read as data only; their names promise the beginning of their
digests, which holds for a file that was here already too. Source: torchvision 0.20 and later,
`torchvision/models/_api.py`. No torch at import.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eval.errors import ModelError, SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from eval.errors import unknown as unknown_name
from zoo.cards import ForeignCard, InputSpec
from zoo.foreign.place import Filled, Wanted, refuse_stated
from zoo.foreign.stated import Stated
from zoo.foreign.transforms import resized
from zoo.weights.pickled import Pickled, data_only, explained

if TYPE_CHECKING:
    from torch import nn

PREFIX = "torchvision:"
_PROMISE = re.compile(r"-([0-9a-f]{8,64})\.")
_AS_FILLED = MappingProxyType(
    {
        "googlenet": {"transform_input": True, "aux_logits": False, "init_weights": False},
        "inception_v3": {"transform_input": True, "init_weights": False},
    }
)
"""Arguments that torchvision itself changes where weights are given."""


def wanted(name: str, stated: Stated) -> Wanted:
    """The model `name`, with the prefix; its card, without anything built or fetched.

    DEFAULT becomes the weights that it stands for. Raises `UsageError` for a name that is none, or
    of no classifier; `ModelError` for transforms that no card can say.
    """
    model, _, said = name.removeprefix(PREFIX).partition("/")
    weights = _weights(name, model, said)
    exact = f"{PREFIX}{model}/{weights.name}"
    refuse_stated(stated, exact)
    classes = weights.meta.get("categories")
    how = weights.transforms()
    if not classes or type(how).__name__ != "ImageClassification":
        raise UsageError(
            f"{exact} are weights of no classifier of pictures, by what torchvision says of them:"
            f" choose others, such as {PREFIX}resnet50/DEFAULT"
        )
    kernel = how.interpolation.value
    spec = resized(how.resize_size[0], how.crop_size[0], kernel, exact)
    card = ForeignCard(
        name=exact,
        arch=model,
        dataset=stated.dataset or ("imagenet" if len(classes) == 1000 else ""),
        classes=len(classes),
        input=InputSpec(mean=tuple(how.mean), std=tuple(how.std), **spec),
    )
    return Wanted(card, library=TorchVision(model, weights.name))


@dataclass(frozen=True)
class TorchVision:
    """A `ModelLibrary`: a builder of torchvision and the name of weights for it."""

    model: str
    weights: str

    @property
    def name(self) -> str:
        """As the card has it."""
        return f"{PREFIX}{self.model}/{self.weights}"

    def _enum(self) -> Any:
        return _weights(self.name, self.model, self.weights)

    def bare(self) -> nn.Module:
        """See `ModelLibrary`."""
        from torchvision.models import get_model

        arguments = {"num_classes": len(self._enum().meta["categories"])}
        more = _AS_FILLED.get(self.model, {})
        net: nn.Module = get_model(self.model, weights=None, **arguments, **more)
        return net

    def filled(self) -> Filled:
        """See `ModelLibrary`. torchvision fetches into TORCH_HOME and checks what came."""
        from torchvision.models import get_model

        weights = self._enum()
        with data_only() as read, self._loading(read):
            net: nn.Module = get_model(self.model, weights=weights, progress=sys.stderr.isatty())
        _check_promise(self.name, read)
        return Filled(net, read[0].sha256)

    def where(self) -> str:
        """See `ModelLibrary`."""
        path, url = self._file(), self._enum().url
        return str(path) if path.is_file() else f"fetched by torchvision when needed: {url}"

    def _file(self) -> Path:
        import torch

        file = str(self._enum().url).rpartition("/")[2]
        return Path(torch.hub.get_dir()) / "checkpoints" / file

    @contextmanager
    def _loading(self, read: list[Pickled]) -> Iterator[None]:
        """read: the files that were, by the time of an error."""
        try:
            yield
        except WeightsMismatch as error:
            raise WeightsMismatch(
                f"{self.name}: {error}; delete {self._file()} to have it fetched again"
            ) from error
        except SatZooError:
            raise
        except OSError as error:  # of the network, and of the disk
            raise WeightsUnavailable(
                f"{self.name}: torchvision cannot fetch the weights ({explained(error)}): check the"
                f" network and TORCH_HOME, or lay the file of {self._enum().url} at {self._file()}"
            ) from error
        except Exception as error:  # of a digest, a state dict, or a builder
            if "invalid hash" in str(error):
                raise WeightsMismatch(
                    f"{self.name}: what came from {self._enum().url} is not what its name promises"
                    f" ({explained(error)}): something between gave another; use another network"
                ) from error
            _check_promise(self.name, read)
            raise ModelError(
                f"{self.name}: torchvision cannot build or fill it ({explained(error)}): delete"
                f" {self._file()} if it is there, or use `evaluate(model)`"
            ) from error


def _weights(who: str, model: str, weights: str) -> Any:
    """The member of torchvision's enumeration."""
    try:
        from torchvision import models
    except Exception as error:  # importing runs its code
        raise ModelError(
            f"{who}: torchvision cannot be imported ({explained(error)}): install the one that"
            " belongs to this torch"
        ) from error
    known = models.list_models(module=models)
    if model not in known:
        quantized = model.removeprefix("quantized_")
        if model in models.list_models(module=models.quantization):
            raise UsageError(
                f"{who}: a quantized network has no gradients, which attacks need: take"
                f" {PREFIX}{quantized}/DEFAULT"
            )
        raise unknown_name("classifier of torchvision", model, known)
    kinds = models.get_model_weights(model)
    if weights not in kinds.__members__:
        near = [*kinds.__members__]
        if not weights:
            raise UsageError(
                f"{who!r} says no weights: write {PREFIX}{model}/WEIGHTS, one of {', '.join(near)}"
            )
        raise unknown_name(f"weights of {PREFIX}{model}", weights, near)
    return kinds[weights]


def _check_promise(who: str, read: list[Pickled]) -> None:
    """Hold files to their names, since torchvision looks only at what it fetches itself."""
    for file in read:
        promised = _PROMISE.search(file.path.name)
        if promised is not None and not file.sha256.startswith(promised[1]):
            raise WeightsMismatch(
                f"{who}: {file.path} has sha256 {file.sha256[:12]}, and its name promises"
                f" {promised[1]}: it was changed; delete it to have it fetched again"
            )
