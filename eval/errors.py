"""Every error a user can cause or meet, in one tree; the exit code lives on the class.

A message is one sentence that names the argument, its value and the remedy, the arguments as in
Python and marked as `eval.arguments` says. The command line prints it without a traceback
(`--debug` shows one), with its options for the arguments, and exits with the class's code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from eval.arguments import arguments_in

if TYPE_CHECKING:
    from pydantic import ValidationError


class SatZooError(Exception):
    """The run failed: data, model, verification or disk."""

    exit_code = 1

    @property
    def arguments(self) -> tuple[str, ...]:
        """The Python arguments that the sentence names, in its order, such as ("data_dir",)."""
        return arguments_in(str(self))


class UsageError(SatZooError):
    """The caller named something that does not exist or gave a value that cannot be."""

    exit_code = 2


class DataError(SatZooError):
    """A data set is missing, incomplete, unreadable or holds what it must not."""


class ModelError(SatZooError):
    """A model does not behave like a classifier that returns logits."""


class ReportError(SatZooError):
    """A report cannot be written, read or believed."""


class JournalError(SatZooError):
    """A journal is in use, damaged, of another run, or cannot be written."""


class WeightsMismatch(SatZooError):
    """The bytes on disk are not the bytes the card promises, or do not fit the network."""


class WeightsUnavailable(SatZooError):
    """No weights of this model are on this machine."""

    exit_code = 3


class SetAside(SatZooError):
    """Images over which every worker ended that had them.

    ids: of these, by position. reason: what was said of the last end. rest: what became of others.
    """

    def __init__(
        self, ids: Mapping[int, str], reason: str, rest: str = "all else is known"
    ) -> None:
        super().__init__(ids, reason, rest)
        self.ids, self.reason, self.rest = dict(ids), reason, rest

    def __str__(self) -> str:
        ids = [one for _, one in sorted(self.ids.items())]
        shown = ", ".join(map(repr, ids[:10])) + (f" and {len(ids) - 10} more" * (len(ids) > 10))
        are = "image was" if len(ids) == 1 else "images were"
        return (
            f"{len(ids)} {are} set aside, since each worker that had them ended ({shown}; the last:"
            f" {self.reason}): {self.rest}; look what is wrong with them, and give the same"
            " command again"
        )


def unknown(kind: str, value: str, known: Iterable[str], *, see: str = "") -> UsageError:
    """A `UsageError` for an unknown name, with the nearest known names (at most three)."""
    known = list(known)
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.5) if _is_text(value) else []
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif len(known) <= 12:
        hint = f"choose one of {', '.join(known)}"
    else:
        hint = "no known name is near it"
    return UsageError(f"unknown {kind} {value!r}: {hint}{f' ({see})' if see else ''}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)  # whatever a caller's types say


def first_fault(error: ValidationError, whole: str) -> str:
    """The first thing that is wrong: where, with dots, or `whole` if it is everything, and what."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or whole
    return f"{where}: {first['msg'].removeprefix('Value error, ')}"


def first_line(error: BaseException) -> str:
    """What `error` says, or its type where it says nothing: one line of at most 200 characters.

    TorchScript puts the reason last, under a traceback of its own.
    """
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    is_trace = "TorchScript" in lines[0]
    return lines[-1 if is_trace else 0].strip()[:200]
