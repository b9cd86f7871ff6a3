"""Paths as people write them become `Path`, in one place: every public function passes here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import overload

from eval.errors import UsageError
from eval.files.border import plain

AnyPath = str | os.PathLike[str]
"""How a public function takes a path."""


@overload
def path_of(place: AnyPath, argument: str) -> Path: ...
@overload
def path_of(place: AnyPath | None, argument: str) -> Path | None: ...
def path_of(place: AnyPath | None, argument: str) -> Path | None:
    """The path that a caller means by `place`; None stays None.

    argument: the name of the argument, for errors.

    A leading "~" or "~/" is the home folder, as a shell would have it before a command sees it;
    "~name" is not another's home but a file of that name. Nothing else is changed: no variables,
    no links, and a relative path stays relative.

    Raises `UsageError` for what is no path: a number, True, bytes, an empty text, or one with a
    null character in it.
    """
    if place is None:
        return None
    if not isinstance(place, str | os.PathLike):
        raise UsageError(
            f"`{argument}` is {_shown(place)}, which is no path: give a text or a pathlib.Path"
        )
    text = os.fspath(place)
    if not isinstance(text, str):
        raise UsageError(f"`{argument}` is a path in bytes: give it as text, os.fsdecode(path)")
    if not text or "\0" in text:
        what = "holds a null character" if text else "is empty"
        raise UsageError(f"`{argument}` {what}: give the path of a file or folder")
    path = Path(text)
    return path.expanduser() if path.parts[:1] == ("~",) else path


def _shown(value: object) -> str:
    return "in bytes" if isinstance(value, bytes) else plain(repr(value), 40)
