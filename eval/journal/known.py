"""What is known of one stage, from this session and earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eval.executors.base import Broken, Ended, Event, Spent, Survived


@dataclass
class Known:
    """What is known of one stage, by position in the data.

    broken: whether still misclassified after rounding to 8 bits. survived: nothing was left to try.
    right_at_end: whether right at the last iterate, for attacks that go on to it.
    without_gradient: survivors whose every gradient was zero. with_nan: images, broken or not, that
    met a gradient with an entry that was no finite number. spent: by all sessions.
    """

    spent: Spent
    broken: dict[int, bool] = field(default_factory=dict)
    survived: set[int] = field(default_factory=set)
    right_at_end: dict[int, bool] = field(default_factory=dict)
    without_gradient: set[int] = field(default_factory=set)
    with_nan: set[int] = field(default_factory=set)

    @classmethod
    def nothing(cls, stage: str) -> Known:
        """Of a stage that has not begun."""
        return cls(Spent(stage))

    @property
    def settled(self) -> set[int]:
        """The images that have a verdict of this stage."""
        return self.broken.keys() | self.survived

    @property
    def n_settled(self) -> int:
        """How many these are; asked at each event, so not by joining the two."""
        return len(self.broken) + len(self.survived)

    def only(self, positions: Iterable[int]) -> Known:
        """The same of `positions` alone: a clean pass on other hardware may differ by an image."""
        kept = set(positions)
        return Known(
            spent=self.spent,
            broken={p: value for p, value in self.broken.items() if p in kept},
            survived=self.survived & kept,
            right_at_end={p: value for p, value in self.right_at_end.items() if p in kept},
            without_gradient=self.without_gradient & kept,
            with_nan=self.with_nan & kept,
        )

    def missing(self, positions: Sequence[int], *, needs_end: bool) -> list[int]:
        """Those of `positions` that must be attacked.

        needs_end: the last iterate is wanted too. It comes after the verdict, so a run that was
        killed in between walks the same way again.
        """
        return [p for p in positions if self.is_missing(p, needs_end=needs_end)]

    def is_missing(self, position: int, *, needs_end: bool) -> bool:
        """The same of one image, in constant time."""
        is_settled = position in self.broken or position in self.survived
        return not is_settled or (needs_end and position not in self.right_at_end)

    def take(self, event: Event) -> None:
        """Note one event. What is verified broken stays broken."""
        match event:
            case Broken():
                self.note_broken(event.position, event.is_broken_8bit, event.had_nan)
            case Survived(_, position, had_gradient, had_nan):
                if position not in self.broken:
                    self.survived.add(position)
                    self._note(self.without_gradient, position, not had_gradient)
                    self._note(self.with_nan, position, had_nan)
            case Ended(_, position, is_right):
                self.right_at_end[position] = is_right
            case Spent():
                self.spent += event

    def note_broken(self, position: int, is_broken_8bit: bool, had_nan: bool) -> None:
        """Note a broken image, of which the adversarial one is not at hand."""
        self.broken[position] = is_broken_8bit
        self.survived.discard(position)
        self.without_gradient.discard(position)
        self._note(self.with_nan, position, had_nan)

    @staticmethod
    def _note(positions: set[int], position: int, is_so: bool) -> None:
        (positions.add if is_so else positions.discard)(position)
