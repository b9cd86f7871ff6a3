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
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from eval.errors import JournalError
from eval.executors.base import Broken, Ended, Event, Spent, Survived
from eval.files.home import home
from eval.files.interrupts import uninterrupted
from eval.journal.check import Bounds
from eval.journal.file import JournalFile
from eval.journal.key import Key, Session
from eval.journal.known import Known
from eval.journal.tables import Statement

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
    bounds: what the run can find out; anything else in the file is refused.
    keeps_images, fresh: see `JournalFile`.

    A thread writes what `add` is given: a step of a large network can take minutes, longer than a
    verdict may wait.

    Raises as `JournalFile` does.
    """

    def __init__(
        self,
        path: Path,
        key: Key,
        *,
        bounds: Bounds | None = None,
        keeps_images: bool = False,
        fresh: bool = False,
    ) -> None:
        path = path / f"{key.digest}.sqlite" if path.is_dir() else path
        self._file = JournalFile(path, key, bounds=bounds, keeps_images=keeps_images, fresh=fresh)
        self._opened = time.perf_counter()
        self._session_name = secrets.token_hex(8)
        self._session: Session | None = None
        self._lock = threading.Lock()
        self._statements: list[Statement] = []
        self._spent: dict[str, Spent] = {}  # by stage, in this session
        self._error: JournalError | None = None
        self._stop = threading.Event()
        self._writer = threading.Thread(target=self._keep_writing, daemon=True)
        try:
            rows = self._file.read("SELECT about, seconds FROM sessions ORDER BY rowid")
            self._known = _known(self._file)
        except BaseException:  # or it would be in use for as long as this process lives
            self._file.close()
            raise
        self.sessions = [Session(**json.loads(about)) for about, _ in rows]
        """The earlier sessions that found something out."""
        self.seconds = sum(seconds for _, seconds in rows)
        """How long they took, up to the last verdict that each wrote."""

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def recall(self, stage: str) -> Known:
        """What earlier sessions found out in `stage`."""
        return self._known.get(stage, Known.nothing(stage))

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
        with uninterrupted():  # half a thread cannot be waited for
            self._session = session
            self._writer.start()

    def add(self, event: Event) -> None:
        """Hand over one event. Raises `JournalError` if an earlier one could not be written."""
        statements = self._statements_of(event)
        with self._lock:
            if self._error is not None:
                raise self._error
            self._statements += statements

    def close(self) -> None:
        """Write the rest and let go of the file. Raises `JournalError` if it cannot be written."""
        with uninterrupted():  # whoever asks twice to stop loses no verdict
            self._stop.set()
            if self._session is not None:
                self._writer.join()
                self._write()
            try:
                self._file.close()
            except JournalError as problem:
                self._error = self._error or problem
        if self._error is not None:
            raise self._error

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

    def _statements_of(self, event: Event) -> list[Statement]:
        match event:
            case Survived(stage, position, had_gradient, had_nan):
                flags = (int(had_gradient), int(had_nan))
                return [self._file.put("survived", stage, position, *flags)]
            case Ended(stage, position, is_right):
                return [self._file.put("ended", stage, position, int(is_right))]
            case Spent(stage):
                total = self._spent[stage] = self._spent.get(stage, Spent(stage)) + event
                passes = (total.forwards, total.backwards, total.rejected)
                seconds = float(total.seconds)
                return [self._file.put("spent", stage, self._session_name, seconds, *passes)]
            case Broken(stage, position, x_adv, is_8bit, had_nan):
                statements = [self._file.put("broken", position, stage, int(is_8bit), int(had_nan))]
                if self._file.keeps_images and x_adv is not None:
                    pixels = x_adv.detach().cpu().float().contiguous().numpy()
                    image = (json.dumps(pixels.shape), pixels.tobytes())
                    statements.append(self._file.put("images", position, *image))
                return statements

    def _keep_writing(self) -> None:
        while not self._stop.wait(COMMIT_EVERY_S):
            self._write()

    def _write(self) -> None:
        """Commit what was handed over; what cannot be written waits for the next attempt."""
        with self._lock:
            statements, self._statements = self._statements, []
        if not statements:
            return
        try:
            self._file.write([*statements, self._bookkeeping()])
            error, rest = None, []
        except sqlite3.Error as problem:
            error, rest = self._file.explained(problem), statements
        except JournalError as problem:  # committed, to a file that is no longer where it was
            error, rest = problem, []
        with self._lock:
            self._error = error
            self._statements = rest + self._statements

    def _bookkeeping(self) -> Statement:
        assert self._session is not None
        about = json.dumps(asdict(self._session))
        seconds = time.perf_counter() - self._opened
        return self._file.put("sessions", self._session_name, about, seconds)


_VERDICT = "stage, position"


def _known(file: JournalFile) -> dict[str, Known]:
    known = dict[str, Known]()

    def of(stage: str) -> Known:
        return known.setdefault(stage, Known.nothing(stage))

    for stage, position, *gradients in file.read(
        f"SELECT {_VERDICT}, had_gradient, had_nan FROM survived"
    ):
        of(stage).take(Survived(stage, position, *map(bool, gradients)))
    for stage, position, is_right in file.read(f"SELECT {_VERDICT}, is_right FROM ended"):
        of(stage).take(Ended(stage, position, bool(is_right)))
    # After `survived`: what one session broke stays broken, whatever another machine's kernels say.
    for stage, position, is_8bit, had_nan in file.read(
        f"SELECT {_VERDICT}, is_broken_8bit, had_nan FROM broken"
    ):
        of(stage).note_broken(position, bool(is_8bit), bool(had_nan))
    for stage, *spent in file.read(
        "SELECT stage, seconds, forwards, backwards, rejected FROM spent"
    ):
        of(stage).take(Spent(stage, *spent))
    return known
