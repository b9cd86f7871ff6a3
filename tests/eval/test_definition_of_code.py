"""A network whose code was edited is another one, also in a notebook, where code has no file."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.transforms
from torch import nn

import zoo
from eval import evaluate
from eval.definition import definition_sha256, weights_sha256

CELL = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        {attribute}

    def forward(self, x):
        return self.fc({given}.flatten(1))
"""


def typed(given: str = "x", attribute: str = "pass", before: str = "") -> nn.Module:
    """The network of a notebook's cell: a class of a module that has no file."""
    room: dict[str, Any] = {"__name__": "a_notebook"}
    exec(before + CELL.format(given=given, attribute=attribute), room)
    torch.manual_seed(0)
    found: nn.Module = room["Net"]()
    return found.eval()


def hooked(hook: Callable[[nn.Module, Any], Any] | None) -> nn.Module:
    net = typed()
    if hook is not None:
        net.register_forward_pre_hook(hook)
    return net


def with_attribute(**attributes: Any) -> nn.Module:
    net = typed()
    for name, value in attributes.items():
        object.__setattr__(net, name, value)  # also of a module, which is not registered so
    return net


def traced(net: nn.Module) -> nn.Module:
    found: nn.Module = torch.jit.trace(net, torch.zeros(1, 1, 2, 2))  # type: ignore[no-untyped-call]
    return found


def linear(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(2, 2)


PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "forward": (typed, lambda: typed("(x * x)")),
    "a constant": (lambda: typed("(x * 0.5)"), lambda: typed("(x * 0.25)")),
    "a global": (
        lambda: typed("(x * K)", before="K = 1.0"),
        lambda: typed("(x * K)", before="K = 0.5"),
    ),
    "a helper": (
        lambda: typed("half(x)", before="def half(x): return x / 2"),
        lambda: typed("half(x)", before="def half(x): return x / 3"),
    ),
    "a list": (lambda: with_attribute(mean=[0.5]), lambda: with_attribute(mean=[0.4])),
    "a dictionary": (lambda: with_attribute(c={"k": 1}), lambda: with_attribute(c={"k": 2})),
    "a tensor": (
        lambda: with_attribute(k=torch.ones(2)),
        lambda: with_attribute(k=torch.zeros(2)),
    ),
    "a private number": (lambda: with_attribute(_k=1.0), lambda: with_attribute(_k=2.0)),
    "a lambda": (
        lambda: with_attribute(g=lambda x: x),
        lambda: with_attribute(g=lambda x: x * x),
    ),
    "a function of torch": (
        lambda: with_attribute(g=torch.relu),
        lambda: with_attribute(g=torch.cos),
    ),
    "a partial": (
        lambda: with_attribute(g=functools.partial(torch.mul, other=1.0)),
        lambda: with_attribute(g=functools.partial(torch.mul, other=2.0)),
    ),
    "a hook": (lambda: hooked(None), lambda: hooked(lambda _, x: (x[0] * x[0],))),
    "another hook": (
        lambda: hooked(lambda _, x: (x[0] / 2,)),
        lambda: hooked(lambda _, x: (x[0] / 3,)),
    ),
    "a forward of its own": (typed, lambda: with_attribute(forward=lambda x: x)),
    "a module in a list": (
        lambda: with_attribute(parts=[linear(0)]),
        lambda: with_attribute(parts=[linear(1)]),
    ),
    "a setting of torchvision": (
        lambda: nn.Sequential(torchvision.transforms.Normalize([0.5], [0.5])),
        lambda: nn.Sequential(torchvision.transforms.Normalize([0.4], [0.5])),
    ),
    "TorchScript": (
        lambda: traced(typed()),
        lambda: traced(typed("(x * x)")),
    ),
    "a graph": (
        lambda: torch.fx.symbolic_trace(typed()),
        lambda: torch.fx.symbolic_trace(typed("(x * x)")),
    ),
}


@pytest.mark.parametrize("what", PAIRS)
def test_another_setting_or_code_is_another_definition(what: str) -> None:
    one, other = PAIRS[what]
    assert weights_sha256(one()) == weights_sha256(other())
    assert definition_sha256(one()) != definition_sha256(other())


@pytest.mark.parametrize("what", PAIRS)
def test_the_same_made_again_has_the_same_definition(what: str) -> None:
    for make in PAIRS[what]:
        assert definition_sha256(make()) == definition_sha256(make())


def test_a_cell_that_was_edited_does_not_get_the_verdicts_of_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    x = torch.rand(16, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    y = typed()(x).argmax(1)
    options: dict[str, Any] = {"images": (x, y), "attack": "pgd-2", "norm": "Linf", "eps": "8/255"}
    zoo.evaluate(typed(), **options)
    said: list[str] = []
    edited = zoo.evaluate(typed("(1 - x)"), on_message=said.append, **options)
    assert not any("verdicts known" in text for text in said)
    alone = evaluate(typed("(1 - x)"), (x, y), attack="pgd-2", norm="Linf", eps="8/255")
    assert edited.images.verdicts == alone.images.verdicts
    zoo.evaluate(typed("(1 - x)"), on_message=said.append, **options)
    assert any("verdicts known" in text for text in said)


def test_a_forward_changes_no_definition() -> None:
    for model in (nn.utils.spectral_norm(nn.Linear(4, 3)).eval(), typed()):
        before = definition_sha256(model)
        model(torch.rand(2, 4))
        assert definition_sha256(model) == before


SCRIPT = """
import torch
from torch import nn
import zoo
from eval.definition import definition_sha256

class Net(nn.Module):
    names = {"a", "bb", "ccc"}

    def forward(self, x):
        return x if "a" in {"a", "bb", "ccc"} else x.relu()

for model in (Net(), zoo.load("resnet8-silu-sat-digits")):
    print(definition_sha256(model))
"""


def test_a_definition_is_the_same_in_every_process() -> None:
    root = Path(zoo.__file__).parents[1]
    found = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_definition_is_the_same_wherever_its_files_lie(tmp_path: Path) -> None:
    inner = "from torch import nn\n\nclass Inner(nn.Module):\n    pass\n"
    outer = "from torch import nn\nfrom its_inner import Inner\n\nclass Outer(Inner):\n    pass\n"
    found = set()
    for first, second in (("a", "b"), ("b", "a")):  # in the order of their paths, and not
        for name, place, text in (("inner", first, inner), ("outer", second, outer)):
            file = tmp_path / first / place / f"its_{name}.py"
            file.parent.mkdir(parents=True)
            file.write_text(text)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import its_outer\nfrom eval.definition import definition_sha256\n"
                "print(definition_sha256(its_outer.Outer()))",
            ],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(
                    [str(Path(zoo.__file__).parents[1]), *(str(tmp_path / first / p) for p in "ab")]
                ),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_pictures_that_differ_by_less_than_a_level_are_other_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    x = torch.full((8, 1, 2, 2), 100.2 / 255)
    y = typed()(x).argmax(1)
    said: list[str] = []
    for images in (x, x + 0.1 / 255):
        zoo.evaluate(
            typed(),
            images=(images, y),
            attack="pgd-2",
            norm="Linf",
            eps="1/255",
            on_message=said.append,
        )
    assert not any("verdicts known" in text for text in said)
