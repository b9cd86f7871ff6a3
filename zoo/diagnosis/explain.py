"""Which change of the right model gives the logits that are to be explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from zoo.diagnosis.changes import (
    Change,
    Logits,
    computed_changes,
    input_changes,
    output_changes,
)
from zoo.golden.raw import answers
from zoo.golden.tolerance import distances
from zoo.model import ZooModel

EXACT = 0.01
"""Mean distance up to which logits are the same: kernels differ by 1e-5, another cause by 0.1."""

LIKELY = 0.25
"""What a change may leave of the distance and still be named as the likely cause."""

_ROUNDED = 0.1  # mean distance up to which a difference may come from few bits alone


@dataclass(frozen=True)
class Guess:
    """A change, or several at once, and the mean distance that it leaves."""

    codes: tuple[str, ...]
    nouns: tuple[str, ...]
    after: float
    change: Change | None = None

    @property
    def is_exact(self) -> bool:
        """Whether it explains everything."""
        return self.after <= EXACT


def mean_distance(found: Logits, wanted: Logits) -> float:
    """The mean of `distances` over the images."""
    return float(distances(found, wanted).mean())


def passed(model: ZooModel, change: Change | None, shown: Iterable[Tensor]) -> Logits:
    """The logits of `model` with one thing done otherwise."""
    if change is None:
        return np.concatenate([answers(model, batch) for batch in shown])
    act = change.logits
    return np.concatenate([answers(lambda x: act(model, x), batch) for batch in shown])


def explain(model: ZooModel, shown: list[Tensor], target: Logits) -> Guess | None:
    """The change of `model` that answers `target` on the batches `shown`; None if none does.

    Single changes first, then a change of the input with one of the output, then pairs of the
    input.
    """
    own = passed(model, None, shown)
    before = mean_distance(target, own) if target.shape == own.shape else np.inf
    tried = [*_outputs(own, target, None)]
    changes = [*input_changes(model), *computed_changes()]
    for change in changes:
        tried += _tried(model, change, shown, target)
        if (best := _best(tried)) is not None and best.is_exact and len(best.codes) == 1:
            return best
    best = _best(tried)
    if best is not None and best.is_exact:
        return best
    if before <= _ROUNDED or (before <= 0.5 and _within(own, target) <= _ROUNDED / 5):
        return _rounding(tried, before)
    pairs = _pairs([c for c in changes if c.code not in {"batch norm", "precision"}])
    tried += [guess for pair in pairs for guess in _tried(model, pair, shown[:1], target)]
    best = _best(tried)
    return best if best is not None and best.after <= LIKELY * before else None


def single(
    model: ZooModel, shown: list[Tensor], target: Logits, codes: Callable[[str], bool]
) -> Iterator[Guess]:
    """What the changes of the input leave, of those whose code is wanted."""
    for change in input_changes(model):
        if codes(change.code):
            after = mean_distance(passed(model, change, shown), target)
            yield Guess((change.code,), (change.noun,), after, change)


def _tried(model: ZooModel, change: Change, shown: list[Tensor], target: Logits) -> list[Guess]:
    try:
        logits = passed(model, change, shown)
    except (RuntimeError, ValueError):  # what this network or this device cannot do
        return []
    target = target[: len(logits)]
    found = list(_outputs(logits, target, change))
    if logits.shape == target.shape:
        after = mean_distance(logits, target)
        found.insert(0, Guess(_codes(change), _nouns(change), after, change))
    return found


def _outputs(logits: Logits, target: Logits, change: Change | None) -> Iterator[Guess]:
    for code, noun, undone in output_changes(target, logits):
        codes = (*(_codes(change) if change else ()), code)
        nouns = (*(_nouns(change) if change else ()), noun)
        yield Guess(codes, nouns, mean_distance(undone, logits), change)


def _codes(change: Change) -> tuple[str, ...]:
    return tuple(change.code.split(" + "))


def _nouns(change: Change) -> tuple[str, ...]:
    return tuple(change.noun.split(" + "))


def _best(tried: list[Guess]) -> Guess | None:
    """The exact guess that says least, else the nearest."""
    exact = [guess for guess in tried if guess.is_exact]
    if exact:
        return min(exact, key=lambda guess: (len(guess.codes), guess.after))
    return min(tried, key=lambda guess: guess.after, default=None)


def _rounding(tried: list[Guess], before: float) -> Guess:
    """A small difference that no change explains to the end: too few bits, of whichever kernel."""
    rounded = [guess for guess in tried if guess.codes == ("precision",)]
    near = min(rounded, key=lambda guess: guess.after, default=None)
    if near is not None and near.after <= LIKELY * before:
        return near
    noun = "fewer bits than fp32 has (TF32 or bf16 products), or another kernel"
    return Guess(("precision",), (noun,), before)


def _within(found: Logits, wanted: Logits) -> float:
    """The largest difference in the spread of an image's own logits, however alike images are."""
    spread = wanted.std(1, dtype=np.float64)
    return float((np.abs(found - wanted).max(1) / np.where(spread > 0, spread, 1)).max())


def _pairs(changes: list[Change]) -> Iterator[Change]:
    for first, second in combinations(changes, 2):
        if first.code != second.code:
            yield Change(
                f"{first.code} + {second.code}",
                f"{first.noun} + {second.noun}",
                _after(first, second),
            )


def _after(first: Change, second: Change) -> Callable[[ZooModel, Tensor], Tensor]:
    def logits(model: ZooModel, x: Tensor) -> Tensor:
        return first.logits(_Seen(model, second), x)  # type: ignore[arg-type]

    return logits


class _Seen(torch.nn.Module):
    """A model behind a change, as another change calls it."""

    def __init__(self, model: ZooModel, change: Change) -> None:
        super().__init__()
        self.model, self.change = model, change

    def forward(self, x: Tensor) -> Tensor:
        return self.change.logits(self.model, x)
