"""A file of the user's that is called as one of our packages is named, and never run."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sat_zoo import shadow

ROOT = Path(__file__).resolve().parents[2]


def started(folder: Path, *words: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={"PYTHONPATH": f"{path}{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def hide(folder: Path, name: str) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text('print("IT WAS RUN")\n')
    return file


@pytest.mark.parametrize("name", ["eval.py", "eval/__init__.py"])
@pytest.mark.parametrize("words", [("-m", "zoo", "list"), ("-m", "zoo.train", "x")], ids=str)
def test_a_command_ends_with_one_sentence(
    tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    found = hide(tmp_path, name)
    done = started(tmp_path, *words)
    hidden = found.parent if found.name == "__init__.py" else found
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sat-zoo: {hidden} hides sat-zoo's package of the same name, eval: ren")


@pytest.mark.parametrize(
    "code", ["from zoo import load", "import leaderboard", "import eval; import zoo"]
)
def test_python_raises_an_import_error_with_it(tmp_path: Path, code: str) -> None:
    found = hide(tmp_path, "eval.py")
    done = started(tmp_path, "-c", code)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {found} hides sat-zoo's package of the same name, eval:")
    assert ("IT WAS RUN" in done.stdout) == code.startswith("import eval")


def test_a_script_of_that_name_that_uses_us_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "eval.py"
    script.write_text("from zoo import load\n")
    done = started(tmp_path, "eval.py")
    assert f"{script} hides sat-zoo's package" in done.stderr.splitlines()[-1]


def console_script(folder: Path) -> str:
    """As pip writes it, from what pyproject.toml names."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["sat-zoo"].split(":")
    console = folder / "bin" / "sat-zoo"
    console.parent.mkdir()
    console.write_text(f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n")
    return str(console)


@pytest.mark.parametrize("name", ["eval.py", "zoo.py", "zoo/__init__.py"])
@pytest.mark.parametrize("path", ["{}:", ".:", ":"], ids=["named", "dot", "empty"])
def test_the_console_script_is_told_where_pythonpath_has_the_folder(
    tmp_path: Path, name: str, path: str
) -> None:
    found = hide(tmp_path, name)
    hidden = found.parent if found.name == "__init__.py" else found
    done = started(tmp_path, console_script(tmp_path), "list", path=path.format(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sat-zoo: {hidden} hides sat-zoo's package of the same name, ")


@pytest.mark.parametrize("name", ["eval.py", "zoo.py", "leaderboard.py"])
def test_the_console_script_does_not_look_into_the_folder_it_is_run_in(
    tmp_path: Path, name: str
) -> None:
    hide(tmp_path, name)
    done = started(tmp_path, console_script(tmp_path), "list")
    assert done.returncode == 0
    assert "IT WAS RUN" not in done.stdout
    assert "resnet50-silu-sat" in done.stdout


@pytest.mark.parametrize("name", ["zoo.py", "zoo/__init__.py", "eval.py"])
def test_python_m_sat_zoo_is_told_of_the_folder_it_is_run_in(tmp_path: Path, name: str) -> None:
    found = hide(tmp_path, name)
    hidden = found.parent if found.name == "__init__.py" else found
    done = started(tmp_path, "-m", "sat_zoo", "list")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sat-zoo: {hidden} hides sat-zoo's package of the same name, ")


def test_python_m_zoo_beside_a_zoo_of_the_users_is_the_users(tmp_path: Path) -> None:
    # Nothing of ours is imported then, so nothing of ours can say a word.
    hide(tmp_path, "zoo.py")
    assert started(tmp_path, "-m", "zoo", "list").stdout == "IT WAS RUN\n"


def test_a_leaderboard_of_the_users_matters_to_its_commands_only(tmp_path: Path) -> None:
    hide(tmp_path, "leaderboard.py")
    done = started(tmp_path, "-m", "zoo", "compare")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "leaderboard.py hides sat-zoo's package of the same name, leaderboard" in done.stderr
    listed = started(tmp_path, "-m", "zoo", "list")  # without our numbers, and theirs is not run
    assert (listed.returncode, "IT WAS RUN" in listed.stdout) == (0, False)


def test_a_zoo_of_the_users_is_not_taken_for_ours(tmp_path: Path) -> None:
    hide(tmp_path, "zoo.py")
    done = started(tmp_path, "-c", "import leaderboard")
    assert "zoo.py hides sat-zoo's package of the same name, zoo" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["eval/notes.txt", "zoo/data.csv", "evaluate.py"])
def test_folders_and_files_that_hide_nothing_do_no_harm(tmp_path: Path, name: str) -> None:
    hide(tmp_path, name)
    done = started(tmp_path, "-m", "zoo", "list")
    assert done.returncode == 0
    assert "resnet50-silu-sat" in done.stdout


def test_python_m_zoo_is_sat_zoo(tmp_path: Path) -> None:
    done = started(tmp_path, "-m", "zoo", "show", "nothing")
    assert done.returncode == 2
    assert done.stderr.startswith("sat-zoo: unknown model 'nothing'")


def test_a_package_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    assert f"package eval is missing from {tmp_path}" in shadow("eval", tmp_path)
    assert shadow("eval") == shadow("zoo") == shadow("leaderboard") == ""
