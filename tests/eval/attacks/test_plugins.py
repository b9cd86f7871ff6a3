"""Attacks that other packages bring, installed as a user would, in processes of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import PATIENCE_S, Done, Processes, processes_of

EXAMPLE = Path(__file__).resolve().parents[2] / "plugins" / "sat_zoo_example"
ENTRIES = """\
[sat_zoo.attacks]
raises = brought.raises:Anything
exits = brought.exits:Anything
nothing = brought.fine:nothing
unmade = brought.fine:Unmade
stumbles = brought.fine:Stumbles
pgd = brought.fine:Stumbles
autoattack-mine = brought.fine:Stumbles
"""
FINE = """\
from eval.attacks.pgd import PGD

nothing = 3


class Unmade(PGD):
    @classmethod
    def of(cls, stage, threat, n_classes):
        raise KeyError("no such thing")


class Stumbles(PGD):
    def advance(self, net, search):
        raise ZeroDivisionError("half way")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package, and beside it one that brings attacks that are broken."""
    folder, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source")
    shutil.copytree(EXAMPLE, source, dirs_exist_ok=True)  # a build writes into its folder
    flags = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--no-compile")
    command = [sys.executable, "-m", "pip", "install", *flags, "--target", folder, source]
    subprocess.run(command, check=True, capture_output=True, text=True)
    package, about = folder / "brought", folder / "brought-2.0.dist-info"
    package.mkdir()
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text(ENTRIES)
    for name, text in {
        "__init__": "",
        "raises": "raise RuntimeError('not today')\n",
        "exits": "import sys\nsys.exit(3)\n",
        "fine": FINE,
    }.items():
        (package / f"{name}.py").write_text(text)
    return folder


class WithPlugins:
    """`sat-zoo` with these packages, to its end."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def run(self, *args: str) -> Done:
        process = self._processes.start(*args)
        out, err = process.communicate(timeout=PATIENCE_S)
        return Done(process.returncode, out, err)


@pytest.fixture
def processes(installed: Path, tmp_path: Path) -> Iterator[WithPlugins]:
    first = f"import sys; sys.path.insert(0, {str(installed)!r})"
    with processes_of(first, SAT_ZOO_HOME=str(tmp_path / "home"), OMP_NUM_THREADS="1") as started:
        yield WithPlugins(started)


def test_an_attack_of_an_installed_package_is_measured_like_ours(processes: WithPlugins) -> None:
    # The broken ones lie beside it.
    measured = ("eval", "resnet8-silu-sat-digits", "--n", "8", "--json", "--batch-size", "8")
    done = processes.run(*measured, "--attack", "shrinking-20")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    (stage,), (result,) = report["protocol"]["stages"], report["stages"]
    assert stage["package"] == "sat-zoo-example 1.0"
    assert (stage["name"], stage["steps"]) == ("shrinking-20", 20)
    assert result["broken"] > 0


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("raises-5", "brought.raises:Anything cannot be imported (RuntimeError: not today)"),
        ("exits-5", "brought.exits:Anything cannot be imported (SystemExit: 3)"),
        ("nothing-5", "brought.fine:nothing is no subclass"),
        ("unmade-5", "brought.fine:Unmade cannot be made (KeyError: 'no such thing')"),
        ("stumbles-5", "brought.fine:Stumbles failed (ZeroDivisionError: half way)"),
        ("autoattack-mine-5", "unknown attack"),
    ],
)
def test_one_that_is_broken_is_named(
    monkeypatch: pytest.MonkeyPatch, installed: Path, attack: str, said: str
) -> None:
    import torch
    from torch import nn

    from eval import evaluate
    from eval.attacks.registry import others
    from eval.errors import SatZooError

    monkeypatch.syspath_prepend(str(installed))
    others.cache_clear()
    try:
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
        with torch.no_grad():
            x = torch.rand(6, 1, 2, 2)
            y = net(x).argmax(1)
        with pytest.raises(SatZooError) as refused:
            evaluate(net, (x, y), attack=attack)
        assert said in str(refused.value)
        assert evaluate(net, (x, y), attack="pgd-1").robust is not None
    finally:
        others.cache_clear()


def test_the_rest_works_beside_broken_ones(processes: WithPlugins) -> None:
    assert "Usage" in processes.run("--help").out
    assert "resnet8-silu-sat-digits" in processes.run("list").out
