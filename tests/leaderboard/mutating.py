"""Reports with one thing changed by chance, and what their verdicts say by another hand."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from typing import Any

Content = dict[str, Any]
Place = tuple[Any, Any]
"""A dict or list, and the key or index within."""

NUMBERS = (0, 1, -1, 7, 10**9, 10**18, 10**400, -(10**400), 0.5, -0.5, 1.0000001, 1e308, 1e-300)
OTHERS = (None, True, "", "1", [], {}, [1], {"a": 1}, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", " ", "\x1b[2J", "a\rb", "a\0b", "\u202eb", "n" * 5000, "<script>", "רשת", "../../x")
TEXTS += ("0" * 64, "f" * 64, "robust", "clean", "right", "open", "2999-01-01T00:00:00Z", "9/9")


def mutants(bases: list[Content], n: int, seed: int = 0) -> Iterator[tuple[str, Content]]:
    """n changed copies, each with what was changed."""
    draw = random.Random(seed)
    kinds = (_number, _type, _text, _missing, _more, _list)
    while n:
        copy: Content = json.loads(json.dumps(draw.choice(bases)))
        before = json.dumps(copy)
        done = draw.choice(kinds)(copy, draw)
        if done and json.dumps(copy) != before:
            n -= 1
            yield done, copy


def _places(node: Any, path: str = "") -> Iterator[tuple[str, Place]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in pairs:
        yield f"{path}.{key}", (node, key)
        if isinstance(value, dict | list):
            yield from _places(value, f"{path}.{key}")


def _one(content: Content, draw: random.Random, kinds: type | tuple[type, ...]) -> Any:
    """A place of this kind; of the many entries of lists as few as of the rest."""
    fitting = [(p, it) for p, it in _places(content) if type(it[0][it[1]]) in _tuple(kinds)]
    rare = [(p, it) for p, it in fitting if not p.startswith(".images.")]
    return draw.choice(draw.choice([fitting, rare, rare]) or [None])


def _tuple(kinds: type | tuple[type, ...]) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _number(content: Content, draw: random.Random) -> str:
    if (found := _one(content, draw, (int, float))) is None:
        return ""
    path, (node, key) = found
    old = node[key]
    node[key] = draw.choice([*NUMBERS, old + 1, old - 1, -old, old * 2, float(old), old / 2])
    return f"{path} = {str(node[key])[:20]}"


def _type(content: Content, draw: random.Random) -> str:
    if (found := _one(content, draw, (int, float, str, bool, list, dict, type(None)))) is None:
        return ""
    path, (node, key) = found
    node[key] = draw.choice(OTHERS)
    return f"{path} = {node[key]!r}"


def _text(content: Content, draw: random.Random) -> str:
    if (found := _one(content, draw, str)) is None:
        return ""
    path, (node, key) = found
    node[key] = draw.choice(TEXTS)
    return f"{path} = {node[key]!r:.20}"


def _missing(content: Content, draw: random.Random) -> str:
    path, (node, key) = draw.choice(list(_places(content)))
    del node[key]
    return f"{path} is gone"


def _more(content: Content, draw: random.Random) -> str:
    found = [content, *(it[0][it[1]] for _, it in _places(content))]
    node = draw.choice([one for one in found if isinstance(one, dict)])
    node["more"] = draw.choice(OTHERS)
    return "a field more"


def _list(content: Content, draw: random.Random) -> str:
    if (found := _one(content, draw, list)) is None:
        return ""
    path, (node, key) = found
    if not node[key]:
        return ""
    how = draw.choice(["shorter", "doubled", "turned"])
    old = node[key]
    node[key] = {"shorter": old[1:], "doubled": old + old, "turned": old[::-1]}[how]
    return f"{path} {how}"


def falsehoods(content: Content) -> list[str]:
    """The totals of an exact Report that do not follow from its verdicts."""
    verdicts, n = content["images"]["verdicts"], len(content["images"]["ids"])
    left = n - verdicts.count("clean")
    said = [("n", content["data"]["n"], n), ("labels", len(content["images"]["labels"]), n)]
    said += _share("clean", content["clean"], left, n)
    if [one["name"] for one in content["stages"]] != [
        one["name"] for one in content["protocol"]["stages"]
    ]:
        return ["stages"]
    n_right = left
    for stage in content["stages"]:
        broken = verdicts.count(stage["name"])
        said += [("attacked", stage["attacked"], left), ("broken", stage["broken"], broken)]
        left -= broken
        said.append(("accuracy_after", stage["accuracy_after"], left / n))
        last = stage.get("last_iterate_accuracy")
        said.append(("last", last is None or left / n - 1e-9 <= last <= 1, True))
        steps = content["protocol"]["stages"][0]["steps"]
        said.append(("passes", stage["forwards"] >= steps * left, True))
    if content["stages"]:
        said += _share("robust", content["robust"], left, n)
    said.append(("stored", content["survive_8bit"]["n"], n_right - left))
    return [name for name, claim, truth in said if not math.isclose(claim, truth, abs_tol=1e-9)]


def _share(name: str, part: Content, correct: int, n: int) -> list[tuple[str, float, float]]:
    low, high = _wilson(correct, n)
    return [
        (f"{name}.correct", part["correct"], correct),
        (f"{name}.n", part["n"], n),
        (f"{name}.accuracy", part["accuracy"], correct / n),
        (f"{name}.low", part["ci95"][0], low),
        (f"{name}.high", part["ci95"][1], high),
    ]


def _wilson(k: int, n: int) -> tuple[float, float]:
    """The roots of (p - k/n)^2 = z^2 p (1 - p) / n."""
    z2 = 1.959963984540054**2 / n
    a, b, c = 1 + z2, -(2 * k / n + z2), (k / n) ** 2
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))
