"""Models of RobustBench by name, through the package `robustbench`: its networks, its loader.

    robustbench:DATA/THREAT/NAME, as robustbench:cifar10/Linf/Carmon2019Unlabeled

Its files are pickles, which are read as data only. They come from Google Drive, and nobody has
published their digests: a Report says the one that was read. Source: robustbench 1.1,
`robustbench/utils.py`; radii: Croce et al. 2021, arXiv 2010.09670, and its README. No torch at
import.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eval.errors import (
    ModelError,
    SatZooError,
    UsageError,
    WeightsMismatch,
    WeightsUnavailable,
    unknown,
)
from eval.files.home import home
from zoo.cards import ForeignCard, InputSpec, ThreatSpec
from zoo.foreign.place import Filled, Wanted, refuse_stated
from zoo.foreign.stated import Stated
from zoo.foreign.transforms import spec_of
from zoo.weights.pickled import Pickled, data_only, explained

if TYPE_CHECKING:
    from torch import nn

PREFIX = "robustbench:"
_ALONE = "--no-deps"  # it pins an old timm, and wants packages that no network of it needs
INSTALL = (
    f"pip install requests tqdm 'setuptools<81' && pip install {_ALONE} robustbench (see"
    " docs/bridges.md)"
)
_CLASSES = MappingProxyType({"cifar10": 10, "cifar100": 100, "imagenet": 1000})
_EPS = MappingProxyType(
    {
        ("cifar10", "Linf"): "8/255",
        ("cifar10", "L2"): "0.5",
        ("cifar100", "Linf"): "8/255",
        ("imagenet", "Linf"): "4/255",
    }
)
"""The balls of its leaderboards: the package itself leaves them to who calls it."""

_WRAPPERS = re.compile(r"^(?:module\.|model\.|models\.\d+\.)+")


def wanted(name: str, stated: Stated) -> Wanted:
    """The model `name`, with the prefix; its card without anything built.

    Raises `UsageError` for a name that is none, a threat model that is no ball, and where the
    package is not installed.
    """
    data, threat, model = _parts(name)
    refuse_stated(stated, name)
    entries = _entries(name)
    known = entries[data, threat]
    if model not in known:
        raise unknown(f"model of {PREFIX}{data}/{threat}", model, known)
    spec = {"size": 32, "mean": (0.0,) * 3, "std": (1.0,) * 3}  # its networks normalise inside
    card = ForeignCard(
        name=name,
        arch="robustbench",
        dataset=stated.dataset or data,
        classes=_CLASSES[data],
        input=InputSpec(**{**spec, **_input(known[model], data, name)}),
        threat=ThreatSpec(norm="L2" if threat == "L2" else "Linf", eps=_EPS[data, threat]),
    )
    return Wanted(card, library=RobustBench(data, threat, model))


@dataclass(frozen=True)
class RobustBench:
    """A `ModelLibrary`: one model of the package, by the three parts of its name."""

    data: str
    threat: str
    model: str

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return f"{PREFIX}{self.data}/{self.threat}/{self.model}"

    @property
    def files(self) -> tuple[Path, ...]:
        """Where its files lie, or will; none where torchvision has the weights."""
        ids = self._entry()["gdrive_id"]
        path = home() / "robustbench" / self.data / self.threat / f"{self.model}.pt"
        if isinstance(ids, list):  # an ensemble
            return tuple(Path(f"{path}_m{i}.pt") for i in range(len(ids)))
        return (path,) if ids else ()

    def _entry(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = _entries(self.name)[self.data, self.threat][self.model]
        return found

    def bare(self) -> nn.Module:
        """See `ModelLibrary`."""
        if not self.files:
            raise UsageError(
                f"pretrained=False: robustbench builds {self.name} only with its weights"
            )
        with self._building():
            net: nn.Module = self._entry()["model"]()
        return net

    def filled(self) -> Filled:
        """See `ModelLibrary`. What is fetched appears under its name once it has been loaded."""
        fresh = [path for path in self.files if not path.is_file()]
        folder = home() / "robustbench"
        if not fresh:
            return self._loaded(folder)
        beside = folder / f".{os.getpid()}.{secrets.token_hex(8)}"
        try:
            for path in set(self.files) - set(fresh):
                _link(path, beside / path.relative_to(folder))
            found = self._loaded(beside)
            for path in fresh:
                path.parent.mkdir(parents=True, exist_ok=True)
                (beside / path.relative_to(folder)).replace(path)
        except OSError as error:
            raise SatZooError(
                f"{folder} cannot be written ({error.strerror or error}): free some space there, or"
                " name another folder in SAT_ZOO_HOME"
            ) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return found

    def where(self) -> str:
        """See `ModelLibrary`."""
        if not self.files:
            return "of torchvision, in TORCH_HOME"
        if all(path.is_file() for path in self.files):
            return ", ".join(map(str, self.files))
        return "on Google Drive, fetched by the package robustbench when they are needed"

    def _loaded(self, folder: Path) -> Filled:
        from robustbench.utils import load_model

        with self._building(), data_only() as read:
            net: nn.Module = load_model(
                self.model, model_dir=folder, dataset=self.data, threat_model=self.threat
            )
        if self.files:
            _check_filled(self.name, net, read)
        return Filled(net, read[0].sha256 if len(read) == 1 else None)

    @contextmanager
    def _building(self) -> Iterator[None]:
        """Turn what somebody else's code raises into one sentence."""
        from requests import RequestException

        try:
            yield
        except WeightsMismatch as error:
            here = [path for path in self.files if path.is_file()]
            fix = f"; delete {here[0]} to have it fetched again" if here else ""
            raise WeightsMismatch(f"{self.name}: {error}{fix}") from error
        except SatZooError:
            raise
        except RequestException as error:
            raise WeightsUnavailable(
                f"{self.name}: the weights are not on this machine, and Google Drive does not give"
                f" them ({explained(error)}): check the network, or lay them at"
                f" {', '.join(map(str, self.files))}"
            ) from error
        except Exception as error:  # networks and loaders of others may raise anything
            raise ModelError(
                f"{self.name}: robustbench cannot build or fill it ({explained(error)}): see where"
                " with sat-zoo --debug, or use `evaluate(model)`"
            ) from error


def _parts(name: str) -> tuple[str, str, str]:
    data, _, rest = name.removeprefix(PREFIX).partition("/")
    threat, _, model = rest.partition("/")
    if not model or "/" in model:
        raise UsageError(
            f"{name!r} names no model: write {PREFIX}DATA/THREAT/NAME, for example"
            f" {PREFIX}cifar10/Linf/Carmon2019Unlabeled"
        )
    if data not in _CLASSES:
        raise unknown(f"data set of {PREFIX}", data, _CLASSES)
    if threat == "corruptions":
        raise UsageError(
            f"{name}: corruptions are no ball around an image, and nothing here attacks or measures"
            " them: name a model of Linf or L2"
        )
    threats = [norm for of, norm in _EPS if of == data]
    if threat not in threats:
        raise unknown(f"threat model of {PREFIX}{data}", threat, threats)
    return data, threat, model


@cache
def _catalogue() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        from robustbench.model_zoo import model_dicts
    return {
        (data.value, threat.value): models
        for data, by_threat in model_dicts.items()
        for threat, models in by_threat.items()
    }


def _entries(who: str) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """By data set and threat model, what the package knows of each model."""
    try:
        return _catalogue()
    except Exception as error:  # importing runs its code
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing in {"robustbench", "pkg_resources", "requests", "tqdm"}:
            raise UsageError(
                f"{who} needs the package robustbench, and {missing} is not installed: {INSTALL}"
            ) from error
        raise ModelError(
            f"{who}: the package robustbench cannot be imported ({explained(error)}): {INSTALL}"
        ) from error


def _input(entry: Mapping[str, Any], data: str, who: str) -> dict[str, Any]:
    """The preprocessing of the package's own evaluation, as an `InputSpec` has it."""
    if data != "imagenet":
        return {}
    from robustbench.data import PREPROCESSINGS

    said = entry.get("preprocessing")
    if said not in PREPROCESSINGS or said is None:
        raise ModelError(
            f"{who}: robustbench says the preprocessing {said!r}, which says no size: use"
            " `evaluate(model)`"
        )
    return spec_of(PREPROCESSINGS[said].transforms, who)


def _link(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, place)
    except OSError:  # a disk without hard links
        shutil.copyfile(path, place)


def _check_filled(who: str, net: nn.Module, read: list[Pickled]) -> None:
    """Every parameter came from the files: the loader also fills networks in part, without a word.

    By name, whatever wraps it, or by its values, since the loader renames too.
    """
    import torch

    given: dict[str, Any] = {}
    for file in read:
        for state in _states(file.content):
            given |= {_WRAPPERS.sub("", str(key)): value for key, value in state.items()}
    for name, value in net.named_parameters():
        if _WRAPPERS.sub("", name) in given:
            continue
        same = (one for one in given.values() if torch.is_tensor(one) and one.shape == value.shape)
        if not any(torch.equal(one.to(value.dtype), value) for one in same):
            raise WeightsMismatch(
                f"the file has no {name!r}, which robustbench leaves at random numbers without a"
                " word: it is of another network"
            )


def _states(content: Any) -> Iterator[Mapping[Any, Any]]:
    """The mappings in a checkpoint."""
    if isinstance(content, Mapping):
        yield content
        for inner in content.values():
            yield from _states(inner)
