"""The rules of the house that no linter knows."""

import ast
import pydoc
import re
import subprocess
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from importlib.metadata import version
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
            # `from zoo import cli` imports zoo.cli too, if there is such a module.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def cli_imports(path: Path) -> list[str]:
    """What a file imports of packages called `cli`, wherever in it and in whichever form."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        found += [name for name in names if "cli" in name.split(".")]
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_flow_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    allowed = PACKAGES[: PACKAGES.index(package) + 1]
    for name in imported(path):
        top = name.split(".")[0]
        assert top not in PACKAGES or top in allowed, f"{package} must not import {name}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_commands_import_commands(path: Path) -> None:
    # What a command can do, Python must be able to do. `python -m PACKAGE` is a command too.
    _, *rooms = path.relative_to(ROOT).parts
    if "cli" in rooms[:-1] or path.name == "__main__.py":
        return
    assert cli_imports(path) == [], "move what is needed out of the command"


def reached(path: Path, *packages: str) -> list[str]:
    """What `path` imports of these packages."""
    return [name for name in imported(path) if any(is_of(name, package) for package in packages)]


def is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", sorted((ROOT / "leaderboard/cli").glob("*.py")), ids=relative)
def test_the_leaderboard_imports_no_command_of_the_zoo(path: Path) -> None:
    # How a terminal is written to is no command, nor is what a shell is told.
    shared = [f"zoo.cli.shared.{name}" for name in ("console", "columns", "table", "completing")]
    for name in reached(path, "zoo.cli"):
        assert any(is_of(name, module) for module in shared), name


def room(name: str) -> str:
    """The room of a module, a folder of its package or a file that lies in the package itself."""
    return ".".join(name.split(".")[:2])


def rooms_reached(path: Path) -> set[str]:
    """Rooms of its own package that `path` imports while it is run, types apart."""
    tree, names = ast.parse(path.read_text()), list[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    package, _, _ = module_of(path).partition(".")
    return {room(name) for name in names if is_of(name, package)} - {room(module_of(path))}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_flow_one_way_between_the_rooms_of_a_package(package: str) -> None:
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for path in (ROOT / package).rglob("*.py"):
        # `python -m PACKAGE` is a command, and a package's front names what lies behind it.
        if path.name != "__main__.py" and path != ROOT / package / "__init__.py":
            sorter.add(room(module_of(path)), *rooms_reached(path))
    sorter.prepare()  # raises CycleError, which names the rooms


def test_a_circle_of_rooms_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "eval/flags/model.py": "from eval.report import Flag",
        "eval/report.py": "def f():\n    from eval.flags import codes",
        "eval/plan.py": "if TYPE_CHECKING:\n    from eval.flags.model import x",
        "eval/flags/clean.py": "from eval import plan",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(CycleError) as caught:
        test_imports_flow_one_way_between_the_rooms_of_a_package("eval")
    assert set(caught.value.args[1]) == {"eval.flags", "eval.report"}


EXECUTORS = ("eval.executors", "eval.run", "eval.begin", "eval.evaluation", "eval.journal")


@pytest.mark.parametrize("path", sorted((ROOT / "eval/attacks").glob("*.py")), ids=relative)
def test_an_attack_imports_nobody_who_carries_it_out(path: Path) -> None:
    assert reached(path, *EXECUTORS) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from zoo.cli.shared.data import download_bar",
        "import leaderboard.cli.options as options",
        "from zoo import cards, cli",
        "from . import cli",
        "from ..cli.output import print_report",
        "def lazy():\n    from zoo.cli import main",
        "if TYPE_CHECKING:\n    import zoo.cli",
    ],
)
def test_no_import_of_a_command_is_overlooked(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "file.py"
    file.write_text(f"import click\nfrom zoo.client import cli_like\n{statement}\n")
    assert len(cli_imports(file)) == 1


def test_a_class_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(relative(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


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
        "import zoo; zoo.list_models(); zoo.card('resnet50-silu-sat'); zoo.__version__",
        "import zoo; zoo.evaluate, zoo.images",
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


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_types_of_what_is_installed(package: str) -> None:
    assert (ROOT / package / "py.typed").read_text() == ""


@pytest.mark.parametrize("package", ["eval", "zoo"])
def test_help_begins_with_every_public_name(package: str) -> None:
    module = import_module(package)
    shown = pydoc.plain(pydoc.render_doc(module))
    description = shown.partition("PACKAGE CONTENTS")[0]
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert re.search(rf"[`.]{name}[`(]", description), f"help({package}) lists no {name}"
        assert getattr(module, name) is not None
        assert f"    {name}(" in shown or f"class {name}(" in shown, f"no help on {name}"


def test_the_version_is_that_of_the_distribution() -> None:
    import zoo

    assert zoo.__version__ == version("sat-zoo")
    assert "__version__" in dir(zoo)


def test_a_public_function_is_not_replaced_by_a_module_of_its_name() -> None:
    for package in ("eval", "zoo"):
        files = {path.stem for path in (ROOT / package).iterdir()}
        assert not files & set(import_module(package).__all__)
