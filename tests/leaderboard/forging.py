"""A Report made to say something else, with the totals that follow from its verdicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.report.parts import Accuracy
from leaderboard.results import RESULTS

Content = dict[str, Any]
Change = Callable[[Content], None]

DIGITS = "resnet8-silu-sat-digits"


def committed(attack: str = "pgd-50", model: str = DIGITS) -> Content:
    """A Report of the package, as JSON has it."""
    content: Content = json.loads((RESULTS / f"{model}.{attack}.json").read_text())
    return content


def put(dotted: str, value: Any) -> Change:
    """Sets one field: "stages.0.forwards"."""

    def change(content: Content) -> None:
        node: Any = content
        *parents, last = dotted.split(".")
        for parent in parents:
            node = node[int(parent)] if isinstance(node, list) else node[parent]
        node[int(last) if isinstance(node, list) else last] = value

    return change


def all_of(*changes: Change) -> Change:
    """One change after the other."""

    def change(content: Content) -> None:
        for one in changes:
            one(content)

    return change


def verdicts(*wanted: str) -> Change:
    """Every image gets these verdicts in turn, and every total follows."""

    def change(content: Content) -> None:
        n = len(content["images"]["ids"])
        content["images"]["verdicts"] = [wanted[i % len(wanted)] for i in range(n)]
        recount(content)

    return change


def labels(value: int) -> Change:
    """Every image gets this label."""

    def change(content: Content) -> None:
        content["images"]["labels"] = [value] * len(content["images"]["ids"])

    return change


def first(n: int) -> Change:
    """The first n images alone, and every total follows."""

    def change(content: Content) -> None:
        images = content["images"]
        for name, values in images.items():
            images[name] = values[:n]
        content["data"]["n"] = n
        recount(content)

    return change


def recount(content: Content) -> None:
    """Every total as the verdicts have it."""
    images, stages = content["images"], content["stages"]
    found, n = images["verdicts"], len(images["ids"])
    content["data"]["ids_sha256"] = hashlib.sha256("\n".join(images["ids"]).encode()).hexdigest()
    left = n - found.count("clean")
    content["clean"] = Accuracy.of(left, n).model_dump(mode="json")
    content["survive_8bit"] = {"broken_after_rounding": 0, "n": 0}
    for stage in stages:
        broken = found.count(stage["name"])
        stage |= {"attacked": left, "broken": broken}
        left -= broken
        stage["accuracy_after"] = left / n
        if stage.get("last_iterate_accuracy") is not None:
            stage["last_iterate_accuracy"] = left / n
        content["survive_8bit"]["n"] += broken
    if stages:
        content["robust"] = Accuracy.of(left, n).model_dump(mode="json")


def forged(content: Content, change: Change, path: Path) -> Path:
    """Writes a changed copy to `path`."""
    copy = json.loads(json.dumps(content))
    change(copy)
    path.write_text(json.dumps(copy))
    return path
