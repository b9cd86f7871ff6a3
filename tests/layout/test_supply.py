"""What is installed: the versions of `constraints.txt`, and what is known against them."""

import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    wishes = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(wish.name): wish for wish in wishes}


def test_every_constraint_is_one_exact_version_and_no_place() -> None:
    for name, wish in constraints().items():
        (exact,) = wish.specifier
        assert exact.operator == "==", name
        assert wish.url is None, name
        assert not wish.extras, name
    assert "sat-zoo" not in constraints()


@pytest.mark.parametrize("extra", ["", "test", "docs", "leaderboard", "parquet"])
def test_what_is_asked_for_is_constrained_to_a_version_that_will_do(extra: str) -> None:
    wishes = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    known = constraints()
    for wish in map(Requirement, wishes):
        (exact,) = known[canonicalize_name(wish.name)].specifier
        assert wish.specifier.contains(exact.version), f"{wish} and {exact}"


def test_torchattacks_is_in_no_extra_since_its_pins_contradict_ours() -> None:
    for wishes in PROJECT["optional-dependencies"].values():
        assert "torchattacks" not in {Requirement(wish).name for wish in wishes}


def found(*packages: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(packages)}


def package(name: str, *vulns: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulns)}


BAD = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
HOPELESS = {"id": "PYSEC-2", "fix_versions": []}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([package("click")], 0, "1 of 1 packages could be asked about"),
        ([package("click", BAD)], 1, "FAULT: click 1.0 (named in pyproject.toml): PYSEC-1"),
        ([package("HuggingFace.Hub", BAD)], 1, "FAULT: HuggingFace.Hub 1.0 (named in"),
        ([package("huggingface-hub", BAD)], 1, "mended in 1.1"),
        ([package("pyarrow", BAD)], 1, "FAULT: pyarrow"),
        ([package("click", HOPELESS)], 0, "note: click 1.0 (named in pyproject.toml): PYSEC-2"),
        ([package("idna", BAD)], 0, "note: idna 1.0 (brought along by another)"),
        ([{"name": "click", "skip_reason": "not found"}], 0, "no audit: nobody could be asked"),
        ([], 0, "no audit: nobody could be asked about 0 packages"),
        ([{"name": "a", "skip_reason": "x"}, package("click", HOPELESS, BAD)], 1, "1 of 2"),
    ],
)
def test_a_vulnerability_with_a_remedy_in_what_we_ask_for_is_a_fault(
    packages: list[dict[str, Any]], code: int, said: str
) -> None:
    ended, lines = AUDIT["judged"](found(*packages), AUDIT["direct"]())
    assert ended == code
    assert any(said in line for line in lines)
