"""Run docs/quickstart.ipynb as a reader would, and compare what it shows with what is committed.

    python docs/run_notebook.py            # compares; the exit code is 1 where something differs
    python docs/run_notebook.py --write    # keeps what it shows

Texts are compared with their numbers blurred: torch's kernels differ between processors, and an
image at the border falls on one and stands on another. So a number may move by `NEAR`; words may
not. Times are not compared, and of pictures their size. `--exact` compares to the byte.
"""

from __future__ import annotations

import argparse
import base64
import copy
import difflib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parent / "quickstart.ipynb"
LARGEST = 200_000
"""Bytes of the committed file."""

NEAR = 0.15
"""Share by which a number may differ, or `NEAR_POINTS` where that is more."""

NEAR_POINTS = 3.0
FP32 = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
"""For the kernel: without the bf16 that some processors have, `--precision auto` is fp32 on all."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_TIMES = re.compile(r"(?<=>)[\d.,]+(?=</td></tr>)|(?<=<div>)\d+ s(?=</div>)|\d+(?:\.\d+)? s\b")
"""Of a Report: the last column of its table, which is seconds, and the whole."""

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_PRIVATE = re.compile(r"(?:/home/|/root|/Users/|/tmp/|[A-Z]:\\)")


def shown(notebook: Any) -> list[list[dict[str, Any]]]:
    """For each code cell its outputs: texts, and pictures as their size."""
    return [[_seen(one) for one in c.outputs] for c in notebook.cells if c.cell_type == "code"]


def _seen(output: Any) -> dict[str, Any]:
    if output.output_type == "stream":
        return {"stream": output.name, "text": output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    seen = dict(sorted(output.data.items()))
    if "image/png" in seen:
        seen = {"image/png": Image.open(io.BytesIO(base64.b64decode(seen["image/png"]))).size}
    return {"result": seen}


def differences(was: Any, now: Any, *, exact: bool = False) -> list[str]:
    """What differs between two runs of the same cells, a line each."""
    old, new = shown(was), shown(now)
    found = []
    for number, (before, after) in enumerate(zip(old, new, strict=True), 1):
        if before == after or (not exact and _are_near(repr(before), repr(after))):
            continue
        cut = [repr(one).replace("\\n", "\n").replace("</", "\n</") for one in (before, after)]
        lines = difflib.unified_diff(*(one.splitlines() for one in cut), n=0, lineterm="")
        found.append(f"code cell {number}:\n" + "\n".join(lines))
    return found


def _are_near(one: str, other: str) -> bool:
    one, other = (_THOUSANDS.sub("", _TIMES.sub("a time", text)) for text in (one, other))
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(abs(float(a) - float(b)) <= max(NEAR * abs(float(a)), NEAR_POINTS) for a, b in pairs)


def untidy(notebook: Any, text: str) -> list[str]:
    """What must not be in a committed notebook."""
    found = []
    if len(text.encode()) > LARGEST:
        found.append(f"the file has {len(text.encode()):,} bytes, more than {LARGEST:,}")
    outputs = repr(shown(notebook))
    if place := _PRIVATE.search(outputs):
        found.append(f"an output holds a path of somebody's machine: {place[0]}")
    for cell in notebook.cells:
        if "execution" in cell.metadata:
            found.append("a cell holds the time of its execution")
        if cell.cell_type == "code" and not cell.execution_count:
            found.append("a cell was not run")
    return found


def run(notebook: Any) -> Any:
    """The notebook after every cell was run, from the first to the last."""
    fresh = copy.deepcopy(notebook)
    NotebookClient(
        fresh,
        timeout=120,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    ).execute(env=FP32 | os.environ)
    for cell in (one for one in fresh.cells if one.cell_type == "code"):
        cell.outputs = [one for one in cell.outputs if not _is_gone(one)]
        for output in cell.outputs:
            if "image/png" in output.get("data", ()):
                output.data.pop("image/jpeg", None)  # the same picture once more
    return fresh


def _is_gone(output: Any) -> bool:
    """Whether this is what a progress bar leaves when it is done: nothing."""
    return output.output_type == "display_data" and output.data.get("text/html") == ""


def with_what_is_near(was: Any, now: Any) -> Any:
    """`now`, but each cell that shows nearly the same as before as it was: a smaller change."""
    cells = [one for one in was.cells if one.cell_type == "code"]
    for cell, before, after in zip(
        (one for one in now.cells if one.cell_type == "code"), cells, shown(now), strict=True
    ):
        old = [_seen(output) for output in before.outputs]
        if cell.source == before.source and _are_near(repr(old), repr(after)):
            cell.outputs = before.outputs
    return now


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="keep what the notebook shows")
    parser.add_argument("--exact", action="store_true", help="compare to the byte")
    asked = parser.parse_args()
    was = nbformat.read(NOTEBOOK, as_version=4)
    now = run(was)
    if asked.write:
        now = with_what_is_near(was, now)
        NOTEBOOK.write_text(nbformat.writes(now) + "\n", "utf-8")
        was = now
    found = differences(was, now, exact=asked.exact)
    found += untidy(was, NOTEBOOK.read_text("utf-8"))
    print("\n".join(found) or "the notebook shows what is committed")  # noqa: T201
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
