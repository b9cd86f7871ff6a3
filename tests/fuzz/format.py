"""What the suite must know of a format: how to make a file, damage it, read it, and judge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar


@dataclass(frozen=True)
class Damage:
    """What was done to a sample.

    is_resealed: whoever did it knew the format and made its checksums and totals right again, so
    that the result may be another valid file; else it must be refused or read as the original.
    """

    what: str
    is_resealed: bool = False


class Format:
    """One format; a fresh object for each process that reads."""

    name: ClassVar[str]
    falsified_means: ClassVar[str]
    """In one sentence, which accepted data count as falsified."""

    def make(self, folder: Path) -> None:
        """Write a small valid sample, one file or several, into the empty `folder`."""
        raise NotImplementedError

    def damage(self, folder: Path, rng: Random) -> Damage:
        """Change the sample in `folder`, as `rng` says."""
        raise NotImplementedError

    def read(self, folder: Path) -> Any:
        """What a user would call in Python, and what it yields."""
        raise NotImplementedError

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        """Why what was read is not what the file says, or ""; original: of the whole sample."""
        raise NotImplementedError
