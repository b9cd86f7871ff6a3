"""What is left of an error that nobody foresaw: its traceback, in a file that can be sent."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shlex
import sys
import traceback
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from eval.files.home import home

KEPT = 20
"""Crash files; older ones are deleted."""

LONGEST = 10**6
"""Characters of a traceback; its end says what happened."""

_NAME = re.compile(r"crash-\d{8}T\d{6}Z-[0-9a-f]{8}\.txt")


def write_crash(error: BaseException) -> Path | None:
    """Keep the traceback of `error` under `SAT_ZOO_HOME/crashes`; None where that cannot be.

    Never raises: it is called when something has gone wrong already.
    """
    try:
        folder = home() / "crashes"
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = folder / f"crash-{now}-{secrets.token_hex(4)}.txt"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        # A name or a path in it is nobody else's business.
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(_text(error).encode("utf-8", "backslashreplace"))
    except Exception:  # no sentence may be lost for want of a file
        return None
    with contextlib.suppress(Exception):
        _forget_old_ones(folder)
    return path


def _text(error: BaseException) -> str:
    what = "".join(traceback.format_exception(error))
    return (
        f"sat-zoo {version('sat-zoo')}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{shlex.join(sys.argv)}\n\n{what[-LONGEST:]}"
    )


def _forget_old_ones(folder: Path) -> None:
    paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for path in paths[:-KEPT]:
        path.unlink(missing_ok=True)
