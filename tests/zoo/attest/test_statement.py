"""What is stated of a Report, and what of it differs from another."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.report.report import Report
from zoo.attest.statement import (
    PREDICATE,
    TYPE,
    differences,
    read_statement,
    statement_of,
    to_bytes,
)


def stated(path: Path) -> tuple[dict[str, Any], Report, bytes]:
    content, report = path.read_bytes(), Report.read(path)
    return statement_of(report, content, name=path.name, version="1.2"), report, content


def test_a_statement_has_the_fields_of_in_toto_and_slsa(report: Path) -> None:
    statement, found, _ = stated(report)
    assert (statement["_type"], statement["predicateType"]) == (TYPE, PREDICATE)
    assert statement.keys() == {"_type", "subject", "predicateType", "predicate"}
    build, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    assert {"buildType", "externalParameters", "resolvedDependencies"} <= build.keys()
    assert {"id", "version"} <= run["builder"].keys()
    digests = {d["name"]: d.get("digest", d.get("uri")) for d in build["resolvedDependencies"]}
    assert digests["weights"] == {"weights_sha256": found.model.weights_sha256}
    assert digests["data pixels"] == {"pixels_sha256": found.data.pixels_sha256}
    assert digests["sat-zoo"] == f"pkg:pypi/sat-zoo@{found.engine.version}"


def test_a_statement_is_read_as_it_was_written_and_differs_in_nothing(report: Path) -> None:
    statement, found, content = stated(report)
    again = read_statement(to_bytes(statement))
    assert again == statement
    assert differences(again, found, content) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("subject", 0, "digest", "sha256"), "ab" * 32, "the Report: sha256 is abababababab, but"),
        (("subject", 0, "digest"), {}, "the Report: sha256 is not there, but"),
        (("deps", 1, "digest", "weights_sha256"), "cd" * 32, "weights: weights_sha256 is cdcd"),
        (("deps", 2, "digest", "ids_sha256"), "cd" * 32, "data ids: ids_sha256 is cdcdcdcdcdcd"),
        (("deps", 3, "digest", "pixels_sha256"), "cd" * 32, "data pixels: pixels_sha256 is cdcd"),
        (("deps", 4, "uri"), "pkg:pypi/sat-zoo@9.9", "sat-zoo: uri is pkg:pypi/sat-zoo@9.9, but"),
        (("deps", 5, "uri"), "x", "torch: uri is x, but pkg:pypi/torch@"),
        (("params", "eps"), "8/255", "eps is 8/255, but 3/16 by the Report"),
        (("params", "protocol"), "autoattack-standard@1", "protocol is autoattack-standard@1, but"),
        (("params", "seed"), True, "seed is True, but 0 by the Report"),
        (("params", "more"), "x", "more is x, but not there by the Report"),
    ],
)
def test_each_difference_is_named(report: Path, place: tuple[Any, ...], value: Any, said: str):
    statement, found, content = stated(report)
    build = statement["predicate"]["buildDefinition"]
    at: Any = {
        "subject": statement["subject"],
        "deps": build["resolvedDependencies"],
        "params": build["externalParameters"],
    }[place[0]]
    for key in place[1:-1]:
        at = at[key]
    at[place[-1]] = value
    (fault,) = [f for f in differences(statement, found, content) if said in f]
    assert fault.isprintable()


def test_a_dependency_that_stands_twice_is_no_match(report: Path) -> None:
    statement, found, content = stated(report)
    listed = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    listed.append({"name": "weights", "digest": {"weights_sha256": "ab" * 32}})
    assert differences(statement, found, content)


def test_many_differences_are_counted_not_listed(report: Path) -> None:
    statement, found, content = stated(report)
    statement["more"] = list(range(1000))
    said = differences(statement, found, content)
    assert len(said) == 13
    assert said[-1] == "and 988 more differ"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "its _type is 'https://in-toto.io/Stat"),
        ({"predicateType": None}, "its predicateType is None, not "),
        ({"predicate": []}, "its buildType is None"),
        ({"subject": []}, "names no Report as its one subject"),
        ({"subject": "x"}, "names no Report as its one subject"),
        ({"subject": [{"name": 3}]}, "names no Report as its one subject"),
        ({"subject": [{"name": "a"}, {"name": "b"}]}, "names no Report as its one subject"),
    ],
)
def test_other_statements_are_refused(report: Path, change: dict[str, Any], said: str) -> None:
    statement, _, _ = stated(report)
    with pytest.raises(ValueError, match=said):
        read_statement(json.dumps(statement | change).encode())
