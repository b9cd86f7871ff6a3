"""The points of a curve, as people write them: "1/255:16/255", "1,2,5,10", [1, 2, 5]. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from eval.errors import UsageError
from eval.radius import Number, exact, parse, text_of
from eval.stage import MOST

MOST_POINTS = 100
"""Of one curve, beside the clean accuracy that it begins with."""

_UNIT = Fraction(1, 255)
_EPS = "1/255:16/255 or 1/255,2/255,4/255"
_STEPS = "1,2,5,10 or 1:10"


def eps_points(said: Number | Sequence[Number]) -> tuple[str, ...]:
    """Radii in rising order, each in the one text that a Report has for it.

    said: a list or array, or the text of one, "1/255,2/255"; or a range "A:B" or "A:B:STEP" that
    ends at B, in steps of 1/255 where both ends are whole multiples of that.

    Raises `UsageError` for what is none of these, for a radius that is not positive, that repeats
    or that falls behind the one before it, and for more than `MOST_POINTS`.
    """

    def number(value: object) -> Fraction:
        return exact(value, "eps", _EPS)

    def step(first: Fraction, last: Fraction) -> Fraction:
        if (255 * first).denominator == 1 == (255 * last).denominator:
            return _UNIT
        raise UsageError(
            f"eps {text_of(first)}:{text_of(last)} says no step, and its ends are not both whole"
            " multiples of 1/255: write for example 0.25:1:0.25"
        )

    return tuple(map(text_of, _points(said, "eps", number, step)))


def step_points(said: str | int | Sequence[int]) -> tuple[int, ...]:
    """Numbers of steps in rising order; written and refused as in `eps_points`, in steps of 1."""

    def number(value: Any) -> Fraction:
        try:
            found = parse(str(value.item() if hasattr(value, "item") else value))
        except ValueError:
            found = Fraction(-1, 2)
        if isinstance(value, bool) or found.denominator != 1 or found > MOST:
            raise UsageError(
                f"steps {str(value)[:40]!r} is no number of steps: write for example {_STEPS}"
            )
        return found

    return tuple(map(int, _points(said, "steps", number, lambda first, last: Fraction(1))))


def _points(
    said: Any,
    what: str,
    number: Callable[[object], Fraction],
    step: Callable[[Fraction, Fraction], Fraction],
) -> list[Fraction]:
    example = _EPS if what == "eps" else _STEPS
    if isinstance(said, str):
        if said.count(",") > MOST_POINTS:
            raise _too_many(what)
        parts = said.split(":")
        if len(parts) == 1:
            found = [number(part.strip()) for part in said.split(",")]
        elif len(parts) <= 3 and "," not in said:
            first, last, *by = (number(part.strip()) for part in parts)
            found = _range(first, last, by[0] if by else step(first, last), what)
        else:
            raise UsageError(
                f"{what} {said[:40]!r} is neither a list nor a range: write for example {example}"
            )
    elif isinstance(said, Sequence) or getattr(said, "ndim", 0) == 1:  # an array or a tensor
        if len(said) > MOST_POINTS:
            raise _too_many(what)
        found = [number(value) for value in said]
    else:
        found = [number(said)]
    return _checked(found, what, example)


def _checked(found: list[Fraction], what: str, example: str) -> list[Fraction]:
    if not found:
        raise UsageError(f"{what} has no point: write for example {example}")
    before = Fraction(0)
    for value in found:
        if value == 0:
            raise UsageError(
                f"{what} 0 is the clean accuracy, which every curve begins with: leave it out"
            )
        if value < 0:
            raise UsageError(
                f"{what} {text_of(value)} is not positive: write for example {example}"
            )
        if value <= before:
            raise UsageError(
                f"{what} {text_of(value)} comes after {text_of(before)}: list them from small to"
                " large, each once"
            )
        before = value
    return found


def _range(first: Fraction, last: Fraction, by: Fraction, what: str) -> list[Fraction]:
    shown = f"{what} {text_of(first)}:{text_of(last)}"
    if by <= 0:
        raise UsageError(f"{shown} in steps of {text_of(by)} never ends: give a positive step")
    if last < first:
        raise UsageError(f"{shown} falls: write the smaller end first")
    n_steps = (last - first) / by
    if n_steps >= MOST_POINTS:
        raise _too_many(what)
    if n_steps.denominator != 1:
        end = first + by * int(n_steps)
        raise UsageError(
            f"{shown} in steps of {text_of(by)} does not meet its end: end it at {text_of(end)}, or"
            " list the points"
        )
    return [first + by * i for i in range(int(n_steps) + 1)]


def _too_many(what: str) -> UsageError:
    return UsageError(
        f"{what} asks for more than {MOST_POINTS} points: take a larger step or fewer points"
    )
