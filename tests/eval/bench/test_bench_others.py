import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor, nn

from eval.bench import others
from eval.bench.contenders import Setup
from eval.bench.others import AdvLibPGD, FoolboxPGD, Others, TorchAttacksPGD, other_pgds
from eval.threat import Threat
from tests.eval.bench.conftest import cut


@pytest.mark.parametrize(
    ("make", "package", "expected"),
    [
        (TorchAttacksPGD, "torchattacks", {"eps": 0.025, "alpha": 0.00625, "steps": 3}),
        (FoolboxPGD, "foolbox", {"abs_stepsize": 0.00625, "steps": 3, "epsilons": 0.025}),
    ],
)
def test_other_pgds_get_the_same_hyper_parameters(
    setup: Setup,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Setup], Others],
    package: str,
    expected: dict[str, float],
) -> None:
    given: dict[str, Any] = {}

    def attack(*arguments: Any, **options: Any) -> Any:
        given.update(options)
        if package == "torchattacks":
            return lambda x, _: x
        return lambda _, x, __, epsilons: (given.update(epsilons=epsilons), x)

    fake = SimpleNamespace(
        PGD=attack,
        PyTorchModel=lambda model, **_: model,
        attacks=SimpleNamespace(LinfPGD=attack, L2PGD=None),
        PGDL2=None,
    )
    monkeypatch.setitem(sys.modules, package, fake)
    monkeypatch.setattr(others, "version", lambda _: "1")
    contender = make(setup)
    contender.clean()
    contender.attack(cut("pgd-50", 3).stages[0])
    contender.settle()
    assert {name: given[name] for name in expected} == pytest.approx(expected)
    assert given["random_start"] is True
    assert int(contender.still_robust.sum()) == 12


@pytest.mark.parametrize(
    ("absent", "installed_by"),
    [
        ("foolbox", "pip install '.[bench]' in the folder of sat-zoo"),
        ("torchattacks", "pip install --no-deps torchattacks"),  # see pyproject.toml
        ("adversarial-library", "pip install --no-deps adv-lib"),  # see CONTRIBUTING.md
    ],
)
def test_packages_that_are_not_installed_are_noted(
    monkeypatch: pytest.MonkeyPatch, absent: str, installed_by: str
) -> None:
    known = {
        "torchattacks": TorchAttacksPGD,
        "foolbox": FoolboxPGD,
        "adversarial-library": AdvLibPGD,
    }
    module = {"adversarial-library": "adv_lib"}.get(absent, absent)
    monkeypatch.setattr(others, "find_spec", lambda name: None if name == module else name)
    monkeypatch.setattr(others, "import_module", lambda name: name)
    makes, notes = other_pgds("Linf")
    assert makes == [make for name, make in known.items() if name != absent]
    assert notes == [f"{absent} was not installed: {installed_by}"]


def test_a_package_without_an_attack_for_the_ball_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(others, "find_spec", lambda name: name)
    monkeypatch.setattr(others, "import_module", lambda name: name)
    makes, notes = other_pgds("L2")
    assert makes == [TorchAttacksPGD, FoolboxPGD]
    assert notes == ["adversarial-library has no PGD for L2"]


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        ("torchattacks", ImportError("cannot import name 'x'")),
        ("foolbox", AttributeError("module 'scipy' has no attribute 'y'")),
        ("adv_lib.attacks", ModuleNotFoundError("No module named 'distutils'")),  # Python 3.12
    ],
)
def test_a_package_that_cannot_be_imported_is_noted_before_the_bench_begins(
    monkeypatch: pytest.MonkeyPatch, broken: str, fault: Exception
) -> None:
    def load(name: str) -> str:
        if name == broken:
            raise fault
        return name

    monkeypatch.setattr(others, "find_spec", lambda name: None if name == "visdom" else name)
    monkeypatch.setattr(others, "import_module", load)
    makes, notes = other_pgds("Linf")
    name = broken.replace("adv_lib.attacks", "adversarial-library")
    assert len(makes) == 2
    assert notes == [f"{name} is installed and cannot be imported: {type(fault).__name__}: {fault}"]
    assert "visdom" not in sys.modules


def test_adversarial_library_gets_the_same_hyper_parameters_and_no_visdom(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def load(name: str) -> Any:
        assert name == "adv_lib.attacks"
        assert "visdom" in sys.modules
        return SimpleNamespace(pgd_linf=attack)

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float, **options: Any) -> Tensor:
        given.update(options, eps=eps)
        return x

    monkeypatch.setattr(others, "find_spec", lambda _: None)
    monkeypatch.setattr(others, "import_module", load)
    monkeypatch.setattr(others, "version", lambda _: "1")
    contender = AdvLibPGD(setup)
    contender.clean()
    contender.attack(cut("pgd-50", 3).stages[0])
    contender.settle()
    assert given == {
        "eps": 0.025,
        "absolute_step_size": 0.00625,
        "steps": 3,
        "random_init": True,
        "restarts": 1,
    }
    assert int(contender.still_robust.sum()) == 12
    assert "visdom" not in sys.modules


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(
    ("package", "make"),
    [("torchattacks", TorchAttacksPGD), ("foolbox", FoolboxPGD), ("adv_lib", AdvLibPGD)],
)
def test_an_installed_package_attacks_inside_the_ball(
    setup: Setup, package: str, make: Callable[[Setup], Others], norm: str
) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    if make is AdvLibPGD and norm == "L2":
        pytest.skip("it has no PGD for L2")
    contender = make(replace(setup, threat=Threat(norm, "1/5" if norm == "L2" else "1/40")))
    contender.clean()
    n_right = int(contender.still_robust.sum())
    stage = cut("pgd-50", 5).stages[0]
    contender.attack(stage)
    forwards, backwards = contender.passes()
    contender.settle()
    assert n_right == 12
    assert int(contender.still_robust.sum()) < n_right
    assert contender.n_rejected == 0
    assert backwards == n_right * stage.steps
    assert 0 <= forwards - len(setup.data) - backwards <= n_right  # foolbox looks at the end too
