"""Builds the site: pages and what they share, in a folder that is swapped in whole."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from eval.errors import ReportError, UsageError
from eval.files.paths import AnyPath, path_of
from leaderboard.boards import Board, Leaderboard, leaderboard
from leaderboard.export import to_csv, to_json, to_latex, to_markdown
from leaderboard.rows import BoardRow
from leaderboard.site import libraries
from leaderboard.site.boardpoints import board_pictures
from leaderboard.site.boardview import board_name, board_page
from leaderboard.site.folder import check_ours, replaced
from leaderboard.site.gallery import Gallery, read_gallery
from leaderboard.site.modelview import model_page
from leaderboard.site.overview import pages_across
from leaderboard.site.shared import shared
from leaderboard.twins import Gain, twins

SPACE = """---
title: sat-zoo leaderboard
sdk: static
app_file: index.html
license: mit
---

Built with `sat-zoo leaderboard build`.
"""
"""What a Hub needs to serve the folder as a static Space."""

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Built:
    """What was written: the folder, and how many boards, model pages and Reports are in it."""

    out: Path
    n_boards: int
    n_models: int
    n_reports: int
    refused: tuple[tuple[Path, str], ...]
    largest: int


def build(
    out: AnyPath,
    *,
    results: AnyPath | Sequence[AnyPath] | None = None,
    adversarial: Sequence[AnyPath] = (),
    data_dir: AnyPath | None = None,
    force: bool = False,
) -> Built:
    """Write the whole site to the folder `out`.

    results:     folders of Reports, or Reports; None: the package's and the user's own.
    adversarial: files of --save-adversarial, for the galleries; data_dir: of their clean images.
    force:       replace a folder that we did not write; it is moved aside, not deleted.
    Raises UsageError if `out` is not ours to replace; ReportError, DataError for bad files.
    """
    out, data_dir = path_of(out, "out"), path_of(data_dir, "data_dir")
    files = [path_of(one, "adversarial") for one in adversarial]
    if data_dir is not None and not files:
        raise UsageError(
            f"`data_dir` {data_dir} is to hold the clean images of adversarial ones, and no file of"
            " such is named: name one, or leave it out"
        )
    check_ours(out.resolve(), force=force)
    found = leaderboard(results)
    galleries = [read_gallery(path, data_dir) for path in files]
    _check_galleries(galleries, files, found)
    pages = site(found, twins(found.boards), galleries)
    with replaced(out, force=force) as folder:
        for name, text in pages.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    rows = [row for board in found.boards for row in (*board.rows, *board.excluded)]
    return Built(
        out=out,
        n_boards=len(found.boards),
        n_models=len(rows),
        n_reports=sum(len(row.reports) for row in rows),
        refused=tuple((it.path, it.reason) for it in found.refused),
        largest=max(len(text.encode()) for name, text in pages.items() if name.endswith(".html")),
    )


def site(
    found: Leaderboard, gains: Sequence[Gain], galleries: Sequence[Gallery] = ()
) -> dict[str, str]:
    """Every file: its path inside the folder -> its text."""
    common = {
        "built": f"{datetime.now(UTC):%Y-%m-%d}",
        "version": version("sat-zoo"),
        "here": "",
    }
    pages = {
        **shared(),
        "README.md": SPACE,
        "licences.txt": libraries.licences(),
        "leaderboard.csv": to_csv(found),
        "leaderboard.json": to_json(found),
        "leaderboard.md": to_markdown(found),
        "leaderboard.tex": to_latex(found),
    }
    pages |= pages_across(found, gains, common)
    siblings = _siblings(found.boards)
    for board in found.boards:
        name = f"boards/{_checked(board.key)}"
        pictures = {"pictures": board_pictures(board, pages)}
        pages[f"{name}.html"] = board_page(board, common | pictures)
        pages |= _data_files(board, name)
        for row in (*board.rows, *board.excluded):
            pages[f"models/{_checked(row.key)}.html"] = model_page(
                row,
                board,
                common,
                galleries=[it for it in galleries if _belongs(it, row)],
                siblings=[it for it in siblings[row.model_key] if it[0] != row.key],
            )
    return pages


def _data_files(board: Board, name: str) -> dict[str, str]:
    """One board as CSV and JSON, the latter without blanks, which are a third of it."""
    alone = Leaderboard((board,), ())
    content = json.loads(to_json(alone))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return {f"{name}.csv": to_csv(alone), f"{name}.json": f"{text}\n"}


def _checked(key: str) -> str:
    """A key that becomes a file name; whatever a Report called itself, it names no other place."""
    if not _KEY.fullmatch(key):
        raise ReportError(f"the key {key!r} cannot name a page: give the model another name")
    return key


def _siblings(boards: Sequence[Board]) -> Mapping[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for board in boards:
        for row in (*board.rows, *board.excluded):
            text = f"{row.model} on {board_name(board)}, {board.subset}"
            found[row.model_key].append((row.key, text))
    return found


def _belongs(gallery: Gallery, row: BoardRow) -> bool:
    """Is there a Report of the same weights and protocol on this row?"""
    return any(
        (report.model.name, report.model.weights_sha256, report.protocol.name)
        == (gallery.model, gallery.weights_sha256, gallery.protocol)
        for report in row.reports
    )


def _check_galleries(
    galleries: Sequence[Gallery], paths: Sequence[Path], found: Leaderboard
) -> None:
    rows = [row for board in found.boards for row in (*board.rows, *board.excluded)]
    for gallery, path in zip(galleries, paths, strict=True):
        if not any(_belongs(gallery, row) for row in rows):
            raise ReportError(
                f"--adversarial {path} is of {gallery.model} under {gallery.protocol}, but no"
                " Report of those weights is among the results: add its Report with --results"
            )
