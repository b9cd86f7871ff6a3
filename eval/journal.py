"""The journal: what a run finds out is on disk about a second after it is known.

A process that is killed at any moment loses what was in flight and no more; the same command goes
on from the journal. What is in it was verified before it was written.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from eval.errors import JournalError
from eval.home import home
from eval.journal_file import JournalFile, Statement
from eval.memory import Key, Memory, Session
from eval.stage import Ended, Event, Survived

if TYPE_CHECKING:
    from torch import Tensor

COMMIT_EVERY_S = 1.0
"""How long a verdict may be in memory only."""


def default_folder() -> Path:
    """`SAT_ZOO_HOME/journals`, made if it is not there. Raises `JournalError` if it cannot be."""
    folder = home() / "journals"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(
            f"the folder of journals {folder} cannot be made ({error.strerror}): name a file with"
            " `journal`, or another folder in SAT_ZOO_HOME"
        ) from error
    return folder


class Journal:
    """The journal of one run, this process's alone until `close`; a context manager.

    path: a file, or a folder, in which the file is then named by the key.
    keeps_images, fresh: see `JournalFile`.

    A thread writes what `add` is given: a step of a large network can take minutes, longer than a
    verdict may wait.

    Raises as `JournalFile` does.
    """

    def __init__(
        self, path: Path, key: Key, *, keeps_images: bool = False, fresh: bool = False
    ) -> None:
        path = path / f"{key.digest}.sqlite" if path.is_dir() else path
        self._file = JournalFile(path, key, keeps_images=keeps_images, fresh=fresh)
        self._opened = time.perf_counter()
        self._session_name = secrets.token_hex(8)
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._statements: list[Statement] = []
        self._counts: dict[str, Mapping[str, float]] = {}
        self._error: sqlite3.Error | None = None
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._keep_writing, daemon=True)
        rows = self._file.read("SELECT about, seconds FROM sessions ORDER BY rowid")
        self.sessions = [Session(**json.loads(about)) for about, _ in rows]
        """The earlier sessions that found something out."""
        self.seconds = sum(seconds for _, seconds in rows)
        """How long they took, up to the last verdict that each wrote."""
        self._memories = _memories(self._file)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def recall(self, stage: str) -> Memory:
        """What earlier sessions found out in `stage`."""
        return self._memories.get(stage, Memory())

    def images(self) -> dict[int, Tensor]:
        """The adversarial images of earlier sessions, (C, H, W) float32, by position.

        Only before `begin`, and only from a journal that keeps images.
        """
        import torch

        rows = self._file.read("SELECT position, shape, pixels FROM images")
        return {
            position: torch.from_numpy(
                np.frombuffer(pixels, np.float32).reshape(json.loads(shape)).copy()
            )
            for position, shape, pixels in rows
        }

    def begin(self, session: Session) -> None:
        """Start to write, under the circumstances `session`."""
        self._session = session
        self._writer.start()

    def add(self, stage: str, event: Event, counts: Mapping[str, float]) -> None:
        """Hand over one event of `stage`, and what the stage has cost in this session so far.

        Raises `JournalError` if an earlier result could not be written.
        """
        statements = self._statements_of(stage, event)
        with self._lock:
            if self._error is not None:
                raise self._file.explained(self._error) from self._error
            self._statements += statements
            self._counts[stage] = counts

    def close(self) -> None:
        """Write the rest and let go of the file. Raises `JournalError` if it cannot be written."""
        self._stop.set()
        if self._session is not None:
            self._writer.join()
            self._write()
        self._file.close()
        if self._error is not None:
            raise self._file.explained(self._error) from self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self.close()
        except JournalError:
            if error is None:  # what is under way already says more
                raise

    def _statements_of(self, stage: str, event: Event) -> list[Statement]:
        if isinstance(event, Survived):
            return [("REPLACE INTO survived VALUES (?, ?)", (stage, event.position))]
        if isinstance(event, Ended):
            values = (stage, event.position, int(event.is_right))
            return [("REPLACE INTO ended VALUES (?, ?, ?)", values)]
        verdict = (event.position, stage, int(event.is_broken_8bit))
        statements: list[Statement] = [("REPLACE INTO broken VALUES (?, ?, ?)", verdict)]
        if self._file.keeps_images:
            pixels = event.x_adv.detach().cpu().float().contiguous().numpy()
            image = (event.position, json.dumps(pixels.shape), pixels.tobytes())
            statements.append(("REPLACE INTO images VALUES (?, ?, ?)", image))
        return statements

    def _keep_writing(self) -> None:
        while not self._stop.wait(COMMIT_EVERY_S):
            self._write()

    def _write(self) -> None:
        """Commit what was handed over; what cannot be written waits for the next attempt."""
        with self._lock:
            statements, self._statements = self._statements, []
            counts, self._counts = self._counts, {}
        if not statements and not counts:
            return
        try:
            self._file.write([*statements, *self._bookkeeping(counts)])
            error = None
        except sqlite3.Error as problem:
            error = problem
        with self._lock:
            self._error = error
            if error is not None:
                self._statements = statements + self._statements
                self._counts = {**counts, **self._counts}

    def _bookkeeping(self, counts: Mapping[str, Mapping[str, float]]) -> list[Statement]:
        assert self._session is not None
        about = json.dumps(asdict(self._session))
        seconds = time.perf_counter() - self._opened
        session = (self._session_name, about, seconds)
        return [
            ("REPLACE INTO sessions VALUES (?, ?, ?)", session),
            *(
                (
                    "REPLACE INTO counts VALUES (?, ?, ?)",
                    (stage, self._session_name, json.dumps(dict(count))),
                )
                for stage, count in counts.items()
            ),
        ]


def _memories(file: JournalFile) -> dict[str, Memory]:
    memories: defaultdict[str, Memory] = defaultdict(Memory)
    for stage, position in file.read("SELECT stage, position FROM survived"):
        memories[stage].take(Survived(position))
    for stage, position, is_right in file.read("SELECT stage, position, is_right FROM ended"):
        memories[stage].right_at_end[position] = bool(is_right)
    # After `survived`: what one session broke stays broken, whatever another machine's kernels say.
    for stage, position, is_8bit in file.read("SELECT stage, position, is_broken_8bit FROM broken"):
        memories[stage].broken[position] = bool(is_8bit)
        memories[stage].survived.discard(position)
    for stage, counts in file.read("SELECT stage, counts FROM counts"):
        memories[stage].counts = memories[stage].total(json.loads(counts))
    return dict(memories)
