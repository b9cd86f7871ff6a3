"""A child process that tries a range of cases and says of each that it begins and what came of it.

`python -m tests.fuzz.child FORMAT SEED FIRST END`: one JSON object a line on the first stdout, to
which nothing that a reader prints can get.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.case import Tried
from tests.fuzz.formats import format_named


def main() -> None:
    """See above."""
    name, *numbers = sys.argv[1:]
    seed, first, end = map(int, numbers)
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(**facts: object) -> None:
        print(json.dumps(facts), file=told, flush=True)

    with tempfile.TemporaryDirectory(prefix="sat-zoo-fuzz-") as scratch:
        quiet_home(Path(scratch))
        tried = Tried(format_named(name), Path(scratch) / "cases")
        tell(ready=True)
        for number in range(first, end):
            tell(begins=number)
            tell(case=number, **asdict(tried.case(seed, number)))


def quiet_home(scratch: Path) -> None:
    """Nothing of the developer's is read or written, no network is asked, one thread computes."""
    os.environ |= {
        "SAT_ZOO_HOME": str(scratch / "home"),
        "SAT_ZOO_CONFIG": os.devnull,
        "SAT_ZOO_DRIVE_ENDPOINT": "http://127.0.0.1:9",
        "HF_HOME": str(scratch / "hf"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    for name in ("SAT_ZOO_DATA", "SAT_ZOO_LIMITS", "HF_TOKEN", "HF_ENDPOINT"):
        os.environ.pop(name, None)


if __name__ == "__main__":
    main()
