"""Choices of images that have a name: RobustBench's, and those that users gave with their Reports.

A Report holds the ids of its images but not whose choice they are. Whose it is follows from the ids
alone, so a list is known by the digest of its ids, sorted, since their order changes no accuracy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from eval.errors import ReportError
from eval.files.border import border, is_file, plain, read_bytes
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from eval.report.fields import Digest, Text
from eval.report.known import spelling
from eval.report.report import Report

KEPT = "image-lists.jsonl"
"""The file beside a user's Reports that keeps the lists given with them, one a line."""


class ImageList(Frozen):
    """A choice of images with a name; ids_sha256: see `digest_of`."""

    dataset: Text
    name: Text
    n: int = Field(ge=1)
    ids_sha256: Digest


ROBUSTBENCH = ImageList(
    dataset="imagenet",
    name="RobustBench's fixed list",
    n=5000,
    ids_sha256="b03ccff6d05e129cb1b9cd2b27b30c1a81031dfde52a7c44be9c6d93077407ed",
)
"""`robustbench/helper_files/imagenet_test_image_ids.txt` at 78fcc9e, the same since 2021."""

KNOWN = (ROBUSTBENCH,)
"""Those that are known without having been given."""


def digest_of(ids: Iterable[str]) -> str:
    """SHA-256 of the ids, sorted and joined by newlines; `data.ids_sha256` minds their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def list_in(path: Path, report: Report) -> ImageList:
    """The list of ids in a file, which must be that of the report's images, in any order.

    Lines as of `eval --ids`, so that the file of the run can be given. Its name is the file's,
    unless it is a list that is known. Raises `UsageError` and `DataError` as `eval.data.read_ids`,
    `ReportError` for a list of other images.
    """
    from eval.data.ids import canonical, read_ids  # not at import, for what shows a table

    has = frozenset(report.images.ids)
    named = frozenset(canonical(one, has) for one in read_ids(path))
    if named != has:
        raise ReportError(
            f"--ids {plain(str(path))} is not the list of this report, whose ids have the digest"
            f" {digest_of(has)[:12]}: it names {len(named):,} images with the digest"
            f" {digest_of(named)[:12]}, {len(named & has):,} of them among the report's"
            f" {len(has):,}; give the list that the run was given"
        )
    dataset, digest = report.data.name, digest_of(has)
    for one in KNOWN:
        if (one.dataset, one.ids_sha256) == (dataset, digest):
            return one
    found = ImageList(
        dataset=dataset, name=plain(path.stem) or "list", n=len(has), ids_sha256=digest
    )
    _check_name(found, f"--ids {plain(str(path))}")
    return found


def _check_name(found: ImageList, what: str) -> None:
    """Raise `ReportError` where a list of other images is called as a known one is."""
    for one in KNOWN:
        is_theirs = (one.dataset, one.ids_sha256) == (found.dataset, found.ids_sha256)
        if spelling(found.name) == spelling(one.name) and not is_theirs:
            raise ReportError(
                f"{what} is called {one.name}, but is of other images (the digest of its ids is"
                f" {found.ids_sha256[:12]}, not {one.ids_sha256[:12]}): give it a name of its own"
            )


def keep(found: ImageList, folder: Path) -> ImageList:
    """Remember a list beside the Reports in `folder`; what is known already stays as it is named.

    Returns the list as it is known from now on. Raises `ReportError` if it cannot be written.
    """
    kept = kept_in([folder])
    key = found.dataset, found.ids_sha256
    if key in kept.lists:
        return kept.lists[key]
    path = folder / KEPT
    old = read_bytes(path) if is_file(path) else b""
    if old and not old.endswith(b"\n"):
        old += b"\n"
    write_atomically(path, old + f"{found.model_dump_json()}\n".encode())
    return found


@dataclass(frozen=True)
class Lists:
    """Lists by data set and digest, and the lines of files that are none, each with its reason."""

    lists: Mapping[tuple[str, str], ImageList]
    refused: tuple[tuple[Path, str], ...] = ()


def kept_in(folders: Iterable[Path]) -> Lists:
    """The known lists, and those kept in these folders; the first of a digest gives the name."""
    found = {(one.dataset, one.ids_sha256): one for one in KNOWN}
    refused = []
    for path in (folder / KEPT for folder in folders):
        if not is_file(path):
            continue
        for line in _lines(path):
            if isinstance(line, str):
                refused.append((path, line))
            else:
                found.setdefault((line.dataset, line.ids_sha256), line)
    return Lists(found, tuple(refused))


def _lines(path: Path) -> Iterator[ImageList | str]:
    """Its lists, and for what is none the sentence that says why."""
    remedy = "add the report again with its --ids"
    shown = plain(str(path))
    try:
        with border(f"lists of images {shown}", ReportError, remedy):
            lines = read_bytes(path).splitlines()
    except ReportError as error:
        yield str(error)
        return
    for number, line in enumerate(lines, 1):
        try:
            what = f"line {number} of lists of images {shown}"
            with border(what, ReportError, remedy):
                found = ImageList.model_validate_json(line)
            _check_name(found, what)
            yield found
        except ReportError as error:
            yield str(error)
