"""Damage to JSON that stays JSON, or nearly: types, numbers, nesting, text, keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

Place = tuple[dict[str, Any] | list[Any], str | int]

_RAW = {
    "@huge@": "1" + "0" * 400,
    "@huger@": "-1" + "0" * 5000,
    "@exponent@": "1e3000000000",
    "@tiny@": "1e-3000000000",
    "@deep@": "[" * 2000 + "]" * 2000,
    "@deeper@": "[" * 100_000 + "]" * 100_000,
    "@deep object@": '{"a":' * 3000 + "1" + "}" * 3000,
    "@open@": "[" * 50_000,
    "@long@": '"' + "x" * 300_000 + '"',
    "@twice@": '{"a": 1, "a": 2}',
    "@half@": '"\\ud800"',
}
"""Texts that a tree of values cannot hold, by the string that stands for them."""

_NUMBERS = (0, -1, 1, 2, 1.5, 1e308, -1e-320, float("nan"), float("inf"), 2**31, 2**63, 3_000_000)
_TEXTS = (
    "",
    "x",
    "0",
    "-1",
    "1e3000000000",
    "1e-3000000000",
    "1/0",
    "0/1",
    "9" * 5000,
    "nan",
    "a\x00b",
    "m\x1b[2J\x1b]0;owned\x07\r\nreport.json: every total follows from the verdicts, robust 98",
    "name\u202egnp.exe",
    "\u2028next",
    "x" * 201,
    "../../etc/passwd",
    "{}{0.__class__}%s%n",
)


def damage_json(value: Any, rng: Random) -> tuple[str, str]:
    """The text of a changed copy of a JSON value, and what was done to it."""
    value = json.loads(json.dumps(value))
    done = [_one(value, rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    text = json.dumps(value, indent=rng.choice((None, 2)))
    for stand_in, raw in _RAW.items():
        text = text.replace(f'"{stand_in}"', raw)
    return text, "; ".join(done)


def places(value: Any) -> Iterator[Place]:
    """Every container in a JSON value with every key or position in it."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])  # type: ignore[index]


def _one(value: Any, rng: Random) -> str:
    everywhere = list(places(value))
    # Of a thousand ids and verdicts none is more interesting than a field that stands once.
    named = [place for place in everywhere if isinstance(place[0], dict)]
    where, key = rng.choice(rng.choice((everywhere, named or everywhere)))
    holder: Any = where
    match rng.choice(("set", "set", "set", "remove", "add", "move", "repeat")):
        case "remove":
            del holder[key]
            return f"removed {key!r}"
        case "add" if isinstance(holder, dict):
            holder[rng.choice(("extra", "", "schema", "__class__", "\x1b[2J"))] = _new(None, rng)
            return f"added a key beside {key!r}"
        case "move":
            other, there = rng.choice(everywhere)
            copied = json.loads(json.dumps(holder[key]))
            other[there] = copied  # type: ignore[index]
            return f"put {key!r} at {there!r}"
        case "repeat" if isinstance(holder, list):
            holder.extend([holder[key]] * rng.choice((1, 2, 1000)))
            return f"repeated {key!r}"
    holder[key] = new = _new(holder[key], rng)
    return f"set {key!r} to {str(new)[:60]!r}"


def _new(old: Any, rng: Random) -> Any:
    near = []
    if isinstance(old, bool):
        near = [not old, int(old)]
    elif isinstance(old, (int, float)):
        near = [old + 1, old - 1, -old, old * 1.5, str(old), 1e-9 + old]
    elif isinstance(old, str) and old:
        near = [old[:-1], old + old[0], old.upper(), [old], old + "\x1b[31m", old.replace("0", "1")]
    elif isinstance(old, list):
        near = [old[:-1], old + old, old[::-1], dict(enumerate(old)), []]
    elif isinstance(old, dict):
        near = [list(old), {}, list(old.values())]
    pool = rng.choice((near or _NUMBERS, _NUMBERS, _TEXTS, tuple(_RAW), (None, True, [], {})))
    return rng.choice(pool)
