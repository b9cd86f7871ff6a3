"""`python -m eval.bench.autoattacks`: what "AutoAttack" is in three packages.

Each is built as its manual says, around a network of ten and of a thousand classes, and its stages
are read from the objects: the table in eval/README.md is what this prints. Nothing is attacked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
from torch import nn

from eval.bench import tables
from eval.errors import UsageError
from eval.files.writing import write_atomically
from eval.protocols import protocol
from eval.stage import Stage
from eval.threat import NORMS

PAGE = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- autoattacks:begin -->", "<!-- autoattacks:end -->"
VERSIONS = ("standard", "plus", "rand")
CLASSES = (10, 1000)
_EPS = 8 / 255
_ORDER = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "deepfool", "square")


@dataclass(frozen=True)
class Said:
    """What one package does in one stage; targets: classes that it aims at, None for none.

    step: first step in pixel units of [0, 1] where it is a number of its own and not of eps.
    """

    stage: str
    loss: str | None
    steps: int
    restarts: int = 1
    targets: int | None = None
    eot: int = 1
    step: float | None = None
    is_rescaled: bool = False


Stages = Mapping[str, tuple[Said, ...]]
"""By version, in the order in which they run."""


def ours(n_classes: int) -> Stages:
    """Of `eval.protocols`; with fewer classes than targets, all of the wrong ones."""
    return {
        name: tuple(map(_own, protocol(f"autoattack-{name}@1").stages, [n_classes] * 9))
        for name in VERSIONS
    }


def _own(stage: Stage, n_classes: int) -> Said:
    targets = min(stage.targets, n_classes - 1) if stage.targets else None
    loss = stage.loss
    return Said(stage.name, loss, stage.steps, stage.restarts, targets, stage.eot)


def reference(n_classes: int) -> Stages:
    """Of the AutoAttack authors' package."""
    package = import_module("pyautoattack")
    return {
        name: tuple(_stages_of_reference(package.AutoAttack(_net(n_classes), version=name)))
        for name in VERSIONS
    }


def _stages_of_reference(whole: Any) -> Iterator[Said]:
    for stage in whole.attacks_to_run:
        if stage == "square":
            yield _square(whole.square)
        elif stage.startswith("apgd"):
            attack = whole.apgd_targeted if stage == "apgd-t" else whole.apgd
            is_targeted = stage == "apgd-t"
            # It sets the loss, and FAB's restarts with targets, when the stage begins.
            loss = "dlr-targeted" if is_targeted else stage.removeprefix("apgd-")
            targets = attack.n_target_classes if is_targeted else None
            restarts, eot = attack.n_restarts, attack.eot_iter
            yield Said(stage, loss, attack.n_iter, restarts, targets, eot)
        else:
            is_targeted = stage == "fab-t"
            targets = whole.fab.n_target_classes if is_targeted else None
            restarts = 1 if is_targeted else whole.fab.n_restarts
            yield Said(stage, None, whole.fab.n_iter, restarts, targets)


def _square(attack: Any) -> Said:
    restarts, is_rescaled = attack.n_restarts, bool(attack.rescale_schedule)
    return Said("square", attack.loss, attack.n_queries, restarts, is_rescaled=is_rescaled)


def torchattacks(n_classes: int) -> Stages:
    """Of torchattacks, told the number of classes as its manual says."""
    build = import_module("torchattacks").AutoAttack
    return {
        name: tuple(
            _of_torchattacks(attack)
            for attack in build(
                _net(n_classes), version=name, n_classes=n_classes, eps=_EPS
            )._autoattack.attacks
        )
        for name in VERSIONS
    }


def _of_torchattacks(attack: Any) -> Said:
    kind = type(attack).__name__
    if kind == "Square":
        return _square(attack)
    is_targeted = kind == "APGDT" or getattr(attack, "multi_targeted", False)
    targets = attack.n_target_classes if is_targeted else None
    restarts = attack.n_restarts
    if kind == "FAB":
        return Said("fab-t" if is_targeted else "fab", None, attack.steps, restarts, targets)
    loss = "dlr-targeted" if is_targeted else attack.loss
    stage = "apgd-t" if is_targeted else f"apgd-{loss}"
    return Said(stage, loss, attack.steps, restarts, targets, attack.eot_iter)


def art(n_classes: int) -> Stages:
    """Of the Adversarial Robustness Toolbox, whose AutoAttack has no versions."""
    estimators = import_module("art.estimators.classification")
    evasion = import_module("art.attacks.evasion")
    net, loss = _net(n_classes), nn.CrossEntropyLoss()
    classifier = estimators.PyTorchClassifier(net, loss, _SHAPE, n_classes, clip_values=(0, 1))
    return {"standard": tuple(map(_of_art, evasion.AutoAttack(classifier, eps=_EPS).attacks))}


def _of_art(attack: Any) -> Said:
    kind = type(attack).__name__
    if kind == "SquareAttack":
        return Said("square", None, attack.max_iter, attack.nb_restarts)
    if kind == "DeepFool":
        return Said("deepfool", None, attack.max_iter)
    loss = {"cross_entropy": "ce", "difference_logits_ratio": "dlr"}[attack.loss_type]
    restarts = attack.nb_random_init
    return Said(f"apgd-{loss}", loss, attack.max_iter, restarts, step=attack.eps_step)


_SHAPE = (3, 4, 4)


def _norms_of_reference() -> str:
    return _those(lambda norm: import_module("pyautoattack").AutoAttack(_net(10), norm=norm))


def _norms_of_torchattacks() -> str:
    # It takes any, and fails when it attacks: its manual says which.
    manual = str(import_module("torchattacks").AutoAttack.__doc__)
    found = re.search(r"Distance Measure : (.+)", manual)
    return found[1].strip() if found else "not said"


def _norms_of_art() -> str:
    estimators = import_module("art.estimators.classification")
    build = import_module("art.attacks.evasion").AutoAttack
    loss = nn.CrossEntropyLoss()
    classifier = estimators.PyTorchClassifier(_net(10), loss, _SHAPE, 10, clip_values=(0, 1))
    return _those(lambda norm: build(classifier, norm={"Linf": "inf"}.get(norm) or int(norm[1])))


def _those(build: Callable[[str], object]) -> str:
    """The norms that a package takes, which it refuses at once where it does not."""
    taken = []
    for norm in ("Linf", "L2", "L1", "L0"):
        try:
            build(norm)
        except (AssertionError, ValueError):
            continue
        taken.append(norm)
    return ", ".join(taken)


class Peer(NamedTuple):
    """How it is installed, and what reads its stages, of so many classes, and its norms."""

    distribution: str
    stages: Callable[[int], Stages]
    norms: Callable[[], str]


PACKAGES: Mapping[str, Peer] = {
    "reference": Peer("pyautoattack", reference, _norms_of_reference),
    "torchattacks": Peer("torchattacks", torchattacks, _norms_of_torchattacks),
    "ART": Peer("adversarial-robustness-toolbox", art, _norms_of_art),
}
"""By the head of their column."""


def _net(n_classes: int) -> nn.Module:
    channels, height, width = _SHAPE
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, n_classes)).eval()


def markdown() -> str:
    """The table of all stages of all versions, a column a package.

    Raises `UsageError` where a package is missing.
    """
    found = {"`autoattack-*@1`": (ours(CLASSES[0]), ours(CLASSES[1]))}
    norms = [", ".join(NORMS)]
    for name, package in PACKAGES.items():
        try:
            few, many = package.stages(CLASSES[0]), package.stages(CLASSES[1])
        except ImportError as error:
            raise UsageError(
                f"{name} cannot be imported ({error}): pip install --no-deps {package.distribution}"
            ) from error
        found[f"{name}, {package.distribution} {version(package.distribution)}"] = few, many
        norms.append(package.norms())
    lines = [_line(("version", "stage", *found)), _line(["---"] * (len(found) + 2))]
    for name in VERSIONS:
        for stage in _ORDER:
            cells = [_cell(name, stage, few, many) for few, many in found.values()]
            if any(cell not in {NONE, NO_VERSION} for cell in cells):
                lines.append(_line((name, f"`{stage}`", *cells)))
    return "\n".join([*lines, _line(("all", "norms", *norms))])


NO_VERSION = "no such version"
NONE = "–"


def _cell(name: str, stage: str, few: Stages, many: Stages) -> str:
    """One stage in words, with its place in the order of the version."""
    if name not in few:
        return NO_VERSION
    for place, (said, of_many) in enumerate(zip(few[name], many[name], strict=True), start=1):
        if said.stage == stage:
            return f"{place}. {_words(said, of_many)}"
    return NONE


def _words(said: Said, of_many: Said) -> str:
    words = [f"{said.steps:,} {'queries' if said.stage == 'square' else 'steps'}"]
    if said.loss is not None:
        words.append(f"loss {said.loss}")
    if said.restarts != 1:
        words.append(f"{said.restarts} restarts")
    if said.targets is not None:
        words.append(f"{said.targets} targets, {of_many.targets} of {CLASSES[1]:,} classes")
    if said.eot != 1:
        words.append(f"gradients over {said.eot} passes")
    if said.step is not None:
        words.append(f"first step {said.step} whatever eps")
    if said.is_rescaled:
        words.append("schedule rescaled")
    return ", ".join(words)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--write-readme", is_flag=True, help="Also put the table into eval/README.md.")
def command(*, write_readme: bool) -> None:
    """Print what AutoAttack is in its authors' package, torchattacks and ART, as installed."""
    table = markdown()
    click.echo(table)
    if write_readme:
        page = tables.between(PAGE.read_text("utf-8"), BEGIN, END, table)
        write_atomically(PAGE, page.encode())


def main() -> None:
    """The command, with errors in one sentence."""
    tables.run(command)


if __name__ == "__main__":
    main()
