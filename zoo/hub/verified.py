"""Which files were verified already: a digest of a gigabyte is not computed at every look.

`SAT_ZOO_HOME/verified/SHA256.json` says which file had this digest, with its size and time of
change; a file that was touched since is hashed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from eval.errors import ReportError
from eval.files.home import home
from eval.files.writing import write_atomically


def is_verified(path: Path, sha256: str) -> bool:
    """Whether the file has this digest; it is computed only if nobody did since it changed."""
    return _record(sha256) == _facts(path) or is_good(path, sha256)


def is_good(path: Path, sha256: str) -> bool:
    """Whether the file has this digest, computed now; the finding is written down."""
    with path.open("rb") as file:
        # Of the file that is hashed, not of what then has its name; and before hashing: what
        # changes meanwhile is hashed again next time.
        facts = _facts(path, os.fstat(file.fileno()))
        good = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    # A home that cannot be written costs time, never truth.
    with contextlib.suppress(OSError, ReportError):
        if good:
            _stamp(sha256).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(_stamp(sha256), json.dumps(facts).encode())
        elif _record(sha256) == facts:
            _stamp(sha256).unlink(missing_ok=True)
    return good


def _stamp(sha256: str) -> Path:
    return home() / "verified" / f"{sha256}.json"


def _facts(path: Path, stat: os.stat_result | None = None) -> dict[str, object]:
    real = path.resolve()
    stat = stat or real.stat()
    return {"path": str(real), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _record(sha256: str) -> object:
    try:
        return json.loads(_stamp(sha256).read_text("utf-8"))
    except (OSError, ValueError):
        return None
