"""What is to be measured, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from eval.ending import EarlyEnd
from eval.engine.engine import Precision
from eval.errors import DataError, UsageError, unknown
from eval.files.border import LONGEST
from eval.foreign import is_foreign
from eval.protocols import Protocol
from eval.radius import check_text, whole_number
from eval.report.fields import LONGEST_ID, SEEDS, as_name, still
from eval.threat import Threat

if TYPE_CHECKING:
    from eval.data import ImageSet

EngineName = Literal["fast", "reference"]


@dataclass(frozen=True)
class Request:
    """An evaluation that someone asks for; the fields are explained at `eval.evaluate`.

    keeps_images: the adversarial images are wanted, not only the verdicts. ending: what ends it
    before the last image.
    """

    data: ImageSet
    threat: Threat
    protocol: Protocol
    engine: EngineName = "fast"
    precision: Precision = "auto"
    seed: int = 0
    batch_size: int | None = None
    device: str = "cpu"
    name: str = "model"
    allow_probabilities: bool = False
    journal: Path | None = None
    fresh: bool = False
    keeps_images: bool = False
    ending: EarlyEnd = field(default_factory=EarlyEnd)

    def __post_init__(self) -> None:
        for name, example in (("seed", 0), ("batch_size", 128)):
            value = getattr(self, name)
            if value is not None or name == "seed":
                object.__setattr__(self, name, whole_number(value, name, example))
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size} is not positive: use for example 128")
        if not SEEDS.start <= self.seed < SEEDS.stop:
            raise UsageError("the seed is not a number of 64 bits: use for example 0")
        for name, kind in (("engine", EngineName), ("precision", Precision)):
            _check_one_of(name, getattr(self, name), get_args(kind))
        for name in ("allow_probabilities", "fresh"):
            _check_one_of(name, getattr(self, name), (True, False))
        self._check_texts()

    @property
    def draws_by_batch(self) -> bool:
        """Whether verdicts depend on the batches: code of others draws its random numbers in it."""
        return self.engine == "reference" or any(map(is_foreign, self.protocol.stages))

    def _check_texts(self) -> None:
        """What no Report can say is refused now, not after hours of work."""
        check_text(self.name, "name", "'my model'")
        try:
            if len(as_name(self.name)) > LONGEST:
                raise ValueError(f"it has {len(self.name)} characters, more than {LONGEST}")
        except ValueError as error:
            raise UsageError(f"the model's name cannot be ({error}): choose another") from None
        data = self.data
        try:
            for text, most in ((data.name, LONGEST), (data.split, LONGEST)):
                if len(as_name(text)) > most:
                    raise ValueError(f"a name of {len(text)} characters, more than {most}")
            if longest := [one for one in map(still, data.ids) if not 0 < len(one) <= LONGEST_ID]:
                raise ValueError(f"an id of {len(longest[0])} characters, not 1 to {LONGEST_ID}")
        except ValueError as error:
            raise DataError(
                f"no report can name these images ({error}): rename the file or the data set"
            ) from None


def _check_one_of(argument: str, value: object, known: tuple[Any, ...]) -> None:
    if not any(value is one or (isinstance(value, str) and value == one) for one in known):
        if all(isinstance(one, str) for one in known):
            raise unknown(argument, value, known)  # type: ignore[arg-type]
        raise UsageError(f"`{argument}` is {value!r}: give True or False")
