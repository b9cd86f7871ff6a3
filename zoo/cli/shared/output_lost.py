"""Stdout as commands write to it: where it is closed or full, the command ends with a sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class OutputLost(OSError):
    """What was to be printed could not be; str: why."""


class _Stdout:
    """A text stream whose failures to write are `OutputLost`; a reader that went away is not one.

    stream: None where stdout was closed before we began.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is None:
            raise OutputLost("it is closed")
        with _lost():
            return self._stream.write(text)

    def flush(self) -> None:
        if self._stream is not None:
            with _lost():
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        if self._stream is None:
            raise AttributeError(name)
        return getattr(self._stream, name)


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(error.strerror or str(error)) from error
    except ValueError as error:  # of a stream that was closed since
        raise OutputLost("it is closed") from error


@contextmanager
def watched_stdout() -> Iterator[None]:
    """Have `OutputLost` raised, here or within, where stdout takes no more of what is printed."""
    _occupy_closed_descriptors()
    real = sys.stdout
    if hasattr(real, "reconfigure"):  # a name that the terminal's encoding has not is still shown
        real.reconfigure(errors="backslashreplace")
    watched = _Stdout(real)
    sys.stdout = watched
    try:
        yield
        watched.flush()
    except OSError:
        _discard(real)
        raise
    finally:
        sys.stdout = real


def _occupy_closed_descriptors() -> None:
    """Else the next file that is opened becomes stdout, and what libraries print goes into it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _discard(stream: TextIO | None) -> None:
    """Let the interpreter's last flush of what could not be written pass in silence."""
    is_of_the_process = stream is sys.__stdout__
    if stream is None or not is_of_the_process:
        return  # nothing of it is flushed when the interpreter ends
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):  # it is no file, and nothing is flushed
        pass
