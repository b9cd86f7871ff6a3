"""Those we compare with: the AutoAttack authors' package, and other people's PGD if installed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor

from eval.bench.contenders import Contender, Setup
from eval.engine.counted import CountedModel
from eval.executors.reference import configured
from eval.stage import Stage, step_in_pixels
from eval.verify import predict, verify

_INSTALLED_BY = {
    # Its own requirements contradict ours: it pins an old requests, of which its PGD needs nothing.
    "torchattacks": "pip install --no-deps torchattacks",
    "foolbox": "pip install '.[bench]' in the folder of sat-zoo",
    # It asks for visdom, whose source does not build with setuptools from 82 on; see `_package`.
    "adversarial-library": "pip install --no-deps adv-lib",
}


class Others:
    """What contenders that take and return tensors have in common; all compute in fp32."""

    def __init__(self, setup: Setup, name: str, package: str) -> None:
        self.setup = setup
        self.name = name
        self.version = version(package)
        self.precision: Literal["fp32", "bf16"] = "fp32"
        self.n_rejected = 0
        self.still_robust = torch.empty(0, dtype=torch.bool)
        self._counted = CountedModel(setup.model).eval()
        whole = setup.data.batch(range(len(setup.data)))
        self._x, self._y = whole.x, whole.y
        self._claimed: tuple[Tensor, Tensor] | None = None

    def clean(self) -> None:
        """One pass over all images."""
        right = [
            predict(self._counted, x.to(self.setup.device)).argmax(1).cpu() == y
            for x, y in self._batches(torch.arange(len(self._y)))
        ]
        self.still_robust = torch.cat(right)

    def attack(self, stage: Stage) -> None:
        """Attack what stands, and keep the claims for `settle`."""
        rows = self.still_robust.nonzero().squeeze(1)
        if len(rows):
            on_gpu = self.setup.device.type == "cuda"
            with torch.random.fork_rng([torch.cuda.current_device()] if on_gpu else []):
                torch.manual_seed(self.setup.seed)
                self._claimed = rows, self._perturb(stage, rows)

    def settle(self) -> None:
        """Verify: what is not wrong inside the ball stands again, and a claim of it is counted."""
        if self._claimed is None:
            return
        (rows, x_adv), self._claimed = self._claimed, None
        model, device = self.setup.model, self.setup.device
        for part in torch.split(torch.arange(len(rows)), self.setup.batch_size):
            some, images = rows[part], x_adv[part.to(x_adv.device)].to(device)
            x, y = self._x[some].to(device), self._y[some].to(device)
            is_broken = verify(model, x, images, y, self.setup.threat).is_broken
            is_claimed = predict(model, torch.nan_to_num(images)).argmax(1) != y
            self.n_rejected += int((is_claimed & ~is_broken).sum())
            self.still_robust[some] = ~is_broken.cpu()

    def passes(self) -> tuple[int, int]:
        """As the model saw them."""
        return self._counted.forwards, self._counted.backwards

    def close(self) -> None:
        """Nothing is open."""

    def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
        """Adversarial images for the images at `rows`, all right: (R, C, H, W)."""
        raise NotImplementedError

    def _batches(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for some in torch.split(rows, self.setup.batch_size):
            yield self._x[some], self._y[some]


class AuthorsAutoAttack(Others):
    """pyautoattack through its entry point `run_standard_evaluation`, one stage a call."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, "pyautoattack", "pyautoattack")

    def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
        setup = self.setup
        n_classes = int(self._counted(self._x[:1].to(setup.device)).shape[1])
        whole, _ = configured(
            self._counted, stage, setup.threat, n_classes, setup.seed, setup.device
        )
        with _undisturbed():
            x_adv: Tensor = whole.run_standard_evaluation(
                self._x[rows], self._y[rows], batch_size=setup.batch_size
            )[0]
        return x_adv


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The package switches tracing off and logs warnings; put back the one, silence the other."""
    logger, trace = logging.getLogger("auto-attack"), sys.gettrace()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        sys.settrace(trace)


class TorchAttacksPGD(Others):
    """The PGD of torchattacks."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, "torchattacks", "torchattacks")

    def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
        package = _package("torchattacks")
        threat, device = self.setup.threat, self.setup.device
        attack = {"Linf": package.PGD, "L2": package.PGDL2}[threat.norm](
            self._counted,
            eps=threat.eps,
            alpha=step_in_pixels(stage, threat.eps),
            steps=stage.steps,
            random_start=bool(stage.random_start),
        )
        return torch.cat([attack(x.to(device), y.to(device)) for x, y in self._batches(rows)])


class FoolboxPGD(Others):
    """The PGD of foolbox."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, "foolbox", "foolbox")

    def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
        package = _package("foolbox")
        threat, device = self.setup.threat, self.setup.device
        model = package.PyTorchModel(self._counted, bounds=(0, 1), device=device)
        attack = {"Linf": package.attacks.LinfPGD, "L2": package.attacks.L2PGD}[threat.norm](
            abs_stepsize=step_in_pixels(stage, threat.eps),
            steps=stage.steps,
            random_start=bool(stage.random_start),
        )
        found = [
            attack(model, x.to(device), y.to(device), epsilons=threat.eps)[1]
            for x, y in self._batches(rows)
        ]
        return torch.cat(found)


class AdvLibPGD(Others):
    """The PGD of adversarial-library; it has none for L2.

    It returns the last adversarial image that it saw, and does not look at its last iterate.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, "adversarial-library", "adv-lib")

    def _perturb(self, stage: Stage, rows: Tensor) -> Tensor:
        eps, device = self.setup.threat.eps, self.setup.device
        pgd = partial(
            _package("adv_lib.attacks").pgd_linf,
            steps=stage.steps,
            random_init=bool(stage.random_start),
            restarts=stage.restarts,
            absolute_step_size=step_in_pixels(stage, eps),
        )
        found = [
            pgd(self._counted, x.to(device), y.to(device), eps) for x, y in self._batches(rows)
        ]
        return torch.cat(found)


def _package(module: str) -> Any:
    """The module, imported.

    adv_lib imports visdom, for a plot that no attack draws unless it is given a logger: where
    visdom is not installed, an empty module stands in for it during the import.
    """
    if not module.startswith("adv_lib") or find_spec("visdom") is not None:
        return import_module(module)
    sys.modules["visdom"] = ModuleType("visdom")
    try:
        return import_module(module)
    finally:
        del sys.modules["visdom"]


def other_pgds(norm: str) -> tuple[list[Callable[[Setup], Contender]], list[str]]:
    """Those for balls of `norm` that can be used, and a note for each that is left out.

    All are imported at once: a bench must not come to an end over it after an hour.
    """
    known: dict[str, tuple[str, Callable[[Setup], Contender]]] = {
        "torchattacks": ("torchattacks", TorchAttacksPGD),
        "foolbox": ("foolbox", FoolboxPGD),
        "adversarial-library": ("adv_lib.attacks", AdvLibPGD),
    }
    makes, notes = [], []
    for name, (module, make) in known.items():
        if find_spec(module.partition(".")[0]) is None:
            notes.append(f"{name} was not installed: {_INSTALLED_BY[name]}")
        elif make is AdvLibPGD and norm != "Linf":
            notes.append(f"{name} has no PGD for {norm}")
        elif fault := _import_fault(module):
            notes.append(f"{name} is installed and cannot be imported: {fault}")
        else:
            makes.append(make)
    return makes, notes


def _import_fault(module: str) -> str:
    """What keeps the package from being imported; "" if nothing does."""
    try:
        _package(module)
    except (ImportError, AttributeError) as error:  # what an old package meets in newer ones
        return f"{type(error).__name__}: {error}"
    return ""
