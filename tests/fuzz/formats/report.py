"""Reports: JSON whose totals follow from its verdicts, as `sat-zoo verify` reads it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from click.testing import CliRunner

from eval import Report
from eval.data.digits import open_digits
from tests.fuzz.damage import damage_file
from tests.fuzz.format import Damage, Format
from tests.fuzz.jsons import damage_json
from zoo.cli.verify import command as verify

_FILE = "report.json"
_RESULTS = Path(__file__).resolve().parents[3] / "leaderboard" / "results"


class Reports(Format):
    """A committed Report, cut down to a few images and made right again."""

    name = "report"
    falsified_means = (
        "an accepted Report has a total, accuracy, interval or digest that its verdicts do not"
        " give, a number outside its range, or makes `verify` print another finding than its one"
    )

    def make(self, folder: Path) -> None:
        content = json.loads((_RESULTS / "resnet8-silu-sat-digits.pgd-50.json").read_text())
        (folder / _FILE).write_text(json.dumps(_first(content, 24)))

    def damage(self, folder: Path, rng: Random) -> Damage:
        path = folder / _FILE
        if rng.random() < 0.3:
            return Damage(damage_file(path, rng))
        text, what = damage_json(json.loads(path.read_text()), rng)
        path.write_text(text)
        return Damage(what, is_resealed=True)

    def read(self, folder: Path) -> tuple[dict[str, Any], str]:
        path = folder / _FILE
        report = Report.read(path)
        printed = CliRunner().invoke(verify, [str(path)], catch_exceptions=False).output
        return report.model_dump(mode="json", by_alias=True), f"{report!r}\n{printed}"

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        content, printed = found
        _, *lines = printed.splitlines()
        findings = [line for line in lines if not line.startswith("sat-zoo: ")]
        if len(findings) != 1 or not all(map(str.isprintable, printed.splitlines())):
            return f"it prints {printed[:300]!r}"
        return next(_contradictions(content), "")


def _first(content: dict[str, Any], n: int) -> dict[str, Any]:
    """The same Report of the first `n` images alone."""
    images = {key: values[:n] for key, values in content["images"].items()}
    (stage,) = content["stages"]
    n_clean = n - images["verdicts"].count("clean")
    n_robust = images["verdicts"].count("robust")
    stage |= {"attacked": n_clean, "broken": n_clean - n_robust, "accuracy_after": n_robust / n}
    stage["last_iterate_accuracy"] = n_robust / n
    content["data"] |= {"n": n, "ids_sha256": _sha256(images["ids"])}
    content["data"]["pixels_sha256"] = open_digits("test").take(n).pixels_sha256()
    content |= {"images": images, "clean": _share(n_clean, n), "robust": _share(n_robust, n)}
    content["survive_8bit"] = {"broken_after_rounding": 0, "n": n_clean - n_robust}
    return content


def _share(correct: int, n: int) -> dict[str, Any]:
    ci95 = list(_wilson(correct, n))
    return {"correct": correct, "n": n, "accuracy": correct / n, "ci95": ci95, "estimated": False}


def _wilson(correct: int, n: int) -> tuple[float, float]:
    """Wilson 1927, with the 97.5 % quantile of the normal distribution; written apart from ours."""
    z, p = 1.959963984540054, correct / n
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return (0.0 if correct == 0 else low), (1.0 if correct == n else high)


def _sha256(ids: list[str]) -> str:
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def _contradictions(content: dict[str, Any]) -> Iterator[str]:
    """What in an accepted Report does not follow, or cannot be."""
    ids, labels, verdicts = (content["images"][key] for key in ("ids", "labels", "verdicts"))
    n, classes = len(ids), content["model"]["classes"]
    if not len(set(ids)) == len(labels) == len(verdicts) == n > 0:
        yield "images do not have one id, label and verdict each"
    if not all(0 <= label < classes for label in labels):
        yield "a label is no class"
    if content["data"]["n"] != n or content["data"]["ids_sha256"] != _sha256(ids):
        yield "data.n or data.ids_sha256 is not that of the ids"
    left = n - verdicts.count("clean")
    yield from _share_faults("clean", content["clean"], left, n)
    for stage in content["stages"]:
        broken = verdicts.count(stage["name"])
        counts = (stage["attacked"], stage["broken"])
        if counts != (left, broken) or not math.isclose(
            stage["accuracy_after"], (left - broken) / n
        ):
            yield f"stage {stage['name']}: {counts} of {left} and {broken}"
        last, least, most = stage["last_iterate_accuracy"], (left - broken) / n, left / n
        if last is not None and not least - 1e-9 <= last <= most + 1e-9:
            yield f"last_iterate_accuracy {last}: the verdicts allow {least} to {most}"
        left -= broken
    if content["robust"] is not None:
        yield from _share_faults("robust", content["robust"], left, n)
    kept = content["survive_8bit"]
    n_broken = len([verdict for verdict in verdicts if verdict not in ("clean", "robust", "right")])
    if kept["n"] != n_broken or not 0 <= kept["broken_after_rounding"] <= n_broken:
        yield f"survive_8bit is {kept}"
    yield from _bounds(content, "")


def _share_faults(name: str, said: dict[str, Any], correct: int, n: int) -> Iterator[str]:
    right = (said["correct"], said["n"]) == (correct, n)
    numbers = (said["accuracy"], *said["ci95"])
    wanted = (correct / n, *_wilson(correct, n))
    if not right or not all(map(lambda a, b: math.isclose(a, b, abs_tol=1e-6), numbers, wanted)):
        yield f"{name} is {said}, the verdicts say {correct} of {n}"


def _bounds(value: Any, where: str) -> Iterator[str]:
    """Numbers that are no counts, shares or sizes; text that draws on a terminal."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _bounds(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _bounds(inner, where)
    elif isinstance(value, str) and where != ".flags.detail" and not value.isprintable():
        yield f"{where} holds control characters"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not (math.isfinite(value) and abs(value) <= 1e18):
            yield f"{where} is {str(value)[:40]}"
        elif value < 0 and where != ".seed":
            yield f"{where} is {value}"
