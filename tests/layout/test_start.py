"""What a measurement of a bundled model imports beside torch: little, or it would start slowly."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "IPython",
    "altair",
    "httpx",
    "httpx2",
    "huggingface_hub.file_download",
    "huggingface_hub.hf_api",
    "matplotlib",
    "pandas",
    "scipy",
    "sklearn",
    "sympy",
    "timm",
    "torch._dynamo",
    "torch._inductor",
    "torch.distributed.tensor",
    "torch.export",
    "torch.utils.flop_counter",
    "torchvision",
    "triton",
    "vl_convert",
)
"""Each takes a good part of the time that torch takes. What torch imports itself is no fault."""

MANY = 450
"""Modules beside torch's, of which a measurement has 400 now; with timm there were 3,500."""

COMMAND = "from zoo.cli import cli; cli.main({}, standalone_mode=False)"
OWN = (
    "from torch import nn; net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))"
)
IMAGES = "x = torch.rand(4, {}, {}, {}, generator=torch.Generator().manual_seed(0))"


def brought_by(code: str, home: Path, after: str = "import torch") -> set[str]:
    """The modules that are there once `code` has run and were not after `after`."""
    whole = f"""
import sys
{after}
before = set(sys.modules)
{code}
print("BROUGHT", *sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", whole],
        cwd=ROOT,
        env={"SAT_ZOO_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kind, *names = done.stdout.splitlines()[-1].split()
    assert kind == "BROUGHT"
    return set(names)


def heavy(names: set[str]) -> set[str]:
    return {one for one in HEAVY if any(n == one or n.startswith(f"{one}.") for n in names)}


@pytest.mark.parametrize(
    "code",
    [
        COMMAND.format(["eval", "resnet8-silu-sat-digits", "--attack", "clean"]),
        COMMAND.format(["eval", "resnet8-relu-at-digits", "--attack", "pgd-2", "--n", "8"]),
        "import zoo; zoo.load('resnet8-silu-sat-digits')",
        IMAGES.format(3, 32, 32)
        + "; import zoo; net = zoo.load('resnet18-w16-silu-sat-cifar10')"
        + "; zoo.evaluate(net, images=(x, net(x).argmax(1)), attack='pgd-2')",
        f"{OWN}; {IMAGES.format(1, 8, 8)}; y = net(x).argmax(1)"
        + "; from eval import attack; attack(net.eval(), x, y, 'fgsm', eps='1/255', norm='Linf')",
    ],
    ids=["clean", "pgd", "load", "evaluate", "own"],
)
def test_measuring_imports_nothing_heavy_beside_torch(code: str, tmp_path: Path) -> None:
    names = brought_by(code, tmp_path)
    assert heavy(names) == set()
    assert len(names) < MANY


@pytest.mark.parametrize("words", [["--version"], ["eval", "--help"]], ids=str)
def test_what_measures_nothing_imports_not_even_torch(words: list[str], tmp_path: Path) -> None:
    run = f"try:\n    {COMMAND.format(words)}\nexcept SystemExit:\n    pass"
    names = brought_by(run, tmp_path, after="")
    assert heavy(names) | ({"torch"} & names) == set()


def test_a_model_of_timms_still_brings_timm(tmp_path: Path) -> None:
    code = "import zoo; zoo.load('resnet50-silu-sat', device='meta')"
    assert "timm" in heavy(brought_by(code, tmp_path))
