"""The rules of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("eval", "zoo", "leaderboard")  # each may import those before it
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL = SOURCES + sorted((ROOT / "tests").rglob("*.py"))


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return names


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_flow_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for name in imported(path):
        top = name.split(".")[0]
        assert top not in PACKAGES or top in allowed, f"{package} must not import {name}"


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_files_stay_under_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", ALL, ids=relative)
def test_nobody_writes_import_eval(path: Path) -> None:
    tree = ast.parse(path.read_text())
    bare = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert "eval" not in bare, "it would hide the builtin; write `from eval import ...`"


def test_leaderboard_never_imports_torch() -> None:
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] == "leaderboard":
            assert not {"torch", "timm", "torchvision"} & {n.split(".")[0] for n in imported(path)}


@pytest.mark.parametrize(
    "statement",
    [
        "from eval import Report, Threat, protocol",
        "import zoo; zoo.list_models(); zoo.card('resnet50-silu-sat')",
        "import leaderboard",
        "from zoo.cli import cli; cli.main(['--help'], standalone_mode=False)",
        "from zoo.cli import cli; cli.main(['list'], standalone_mode=False)",
        "from zoo.cli import cli; cli.main(['show', 'efficientnet-l1-sat'], standalone_mode=False)",
        "from zoo.cli import cli; cli.main(['eval', '--help'], standalone_mode=False)",
    ],
)
def test_what_needs_no_torch_does_not_import_it(statement: str) -> None:
    code = f"{statement}\nimport sys\nassert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
