"""The last net: how a command ends for each error that reaches its end, foreseen or not."""

from __future__ import annotations

import errno
from typing import NamedTuple

import click

from eval.errors import SatZooError, first_line
from eval.files.border import plain
from zoo.cli.shared.crash import write_crash
from zoo.cli.shared.output_lost import OutputLost

UNEXPECTED = 70
"""The exit code of an error that is ours: EX_SOFTWARE of sysexits.h."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_MORE_FILES = {errno.EMFILE, errno.ENFILE}
_NO_MEMORY = ("alloc", "out of memory", "failed to map segment", "can't start new thread")
"""What libraries in C++ say, in errors of other types, where there is no memory left."""


class Ending(NamedTuple):
    """One sentence and an exit code."""

    sentence: str
    exit_code: int


def ending_of(error: Exception) -> Ending:
    """What to say of `error`; a traceback is kept of one that nobody foresaw. Never raises."""
    if isinstance(error, click.ClickException):
        return Ending(error.format_message(), error.exit_code)
    if isinstance(error, SatZooError):
        return Ending(str(error), error.exit_code)
    if isinstance(error, OutputLost):
        return Ending(
            f"stdout takes no more output ({error}): give it a file or terminal with room and run"
            " the same command again; what a journal keeps is not computed again",
            1,
        )
    said = _of_machine(error)
    return Ending(said, 1) if said else _unexpected(error)


def _of_machine(error: Exception) -> str:
    """What this machine has too little of, "" if that is not what happened."""
    if isinstance(error, RecursionError):
        return "something is nested too deep to be read: leave out what was given last"
    if _is_about_memory(error):
        return (
            "there is not enough memory: close other programs, take a smaller batch size, or raise"
            " the limit of this process (ulimit -v)"
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" of {plain(str(error.filename))}" if error.filename else ""
        return f"the disk{where} is full: make room and run the same command again"
    if isinstance(error, OSError) and error.errno in _NO_MORE_FILES:
        return "no more files can be opened: raise the limit (ulimit -n) or close other programs"
    return ""


def _is_about_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if not isinstance(error, RuntimeError | ImportError | OSError):
        return False
    return any(sign in _said(error) for sign in _NO_MEMORY)


def _unexpected(error: Exception) -> Ending:
    path = write_crash(error)
    kept = f"the traceback is in {path}" if path else "no file for its traceback could be written"
    what = f"{type(error).__name__}: {plain(_said(error))}"
    return Ending(
        f"an unexpected error, {what}; {kept}: please report it, with the traceback"
        f"{'' if path else ' that --debug shows'}",
        UNEXPECTED,
    )


def _said(error: Exception) -> str:
    try:
        return first_line(error)
    except Exception:  # an error that cannot say what it is
        return "it does not say what"
