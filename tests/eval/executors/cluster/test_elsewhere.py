"""Pixels that lie on workers alone: whichever is asked, a picture is one picture."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from eval.data import ImageSet, from_tensors
from eval.data.prints import Prints
from eval.errors import DataError
from eval.executors.cluster.elsewhere import Elsewhere
from eval.executors.cluster.worker import Worker

ROWS, IDS = np.arange(6), tuple("012345")


def pictures(changed: int | None) -> ImageSet:
    """Six, of which one may have another pixel than it has elsewhere."""
    x = np.random.default_rng(0).integers(0, 255, (6, 3, 4, 4)).astype(np.float32) / 255
    if changed is not None:
        x[changed, 0, 0, 0] += np.float32(1 / 255)
    return from_tensors(torch.from_numpy(x.clip(0, 1)), torch.arange(6) % 3)


class Workers:
    """Two workers, of which the second has another picture 4; who is asked is given beforehand.

    As the roster does it, one that raises is left out, and another one is asked.
    """

    def __init__(self, turns: tuple[int, ...]) -> None:
        self.sets = [pictures(None), pictures(4)]
        self._workers = {0: Worker(), 1: Worker()}
        self._turns: Iterator[int] = iter(turns)
        self._opening = 0
        self.left_out: list[str] = []

    def __call__(self) -> ImageSet:
        """An `Opening`: what the worker that is asked just now has."""
        return self.sets[self._opening]

    def ask(self, method: str, *args: Any) -> Any:
        turn = next(self._turns)
        while True:
            self._opening = turn if turn in self._workers else min(self._workers)
            try:
                return getattr(self._workers[self._opening], method)(*args)
            except DataError as error:
                self.left_out.append(str(error))
                del self._workers[self._opening]


@pytest.mark.parametrize("turns", list(product([0, 1], repeat=3)))
def test_pixels_and_digests_are_of_one_worker_whoever_is_asked(turns: tuple[int, ...]) -> None:
    workers = Workers(turns)
    source = Elsewhere(workers.ask, workers, IDS)
    first, prints = source.read(ROWS[3:]), source.prints(ROWS)
    again = np.concatenate([*source.stream(ROWS[::-1], 6)])[::-1]
    assert np.array_equal(again[3:], first)
    told = Prints.of(iter([again]))
    assert (told.pixels_sha256, told.each.tolist()) == (prints.pixels_sha256, prints.each.tolist())
    others = len(set(turns)) - 1
    assert len(workers.left_out) == others
    for text in workers.left_out:
        assert "the pixels of '4' are others here" in text


def test_pictures_that_nobody_told_of_are_taken_as_they_are() -> None:
    workers = Workers((0, 1))
    source = Elsewhere(workers.ask, workers, IDS)
    assert np.array_equal(source.read(ROWS[:4]), workers.sets[0].batch(ROWS[:4]).x.numpy())
    assert np.array_equal(source.read(ROWS[4:]), workers.sets[1].batch(ROWS[4:]).x.numpy())
    assert workers.left_out == []


@pytest.mark.parametrize("turns", list(product([0, 1], repeat=2)))
def test_a_picture_is_asked_for_by_its_name_wherever_it_stands_there(
    turns: tuple[int, ...],
) -> None:
    workers = Workers(turns)
    workers.sets = [pictures(None), pictures(None).select([5, 3, 1, 4, 2, 0])]
    source = Elsewhere(workers.ask, workers, IDS)
    twice = np.array([1, 0, 5, 1])
    for rows in (ROWS, twice):
        assert np.array_equal(source.read(rows), workers.sets[0].batch(rows).x.numpy())
    assert workers.left_out == []


def test_who_lacks_a_picture_is_left_out_by_its_name() -> None:
    workers = Workers((1,))
    workers.sets[1] = pictures(None).select([0, 1, 2])
    source = Elsewhere(workers.ask, workers, IDS)
    assert np.array_equal(source.read(ROWS), workers.sets[0].batch(ROWS).x.numpy())
    assert workers.left_out == [
        "custom (all): '3' is not here: bring the same files to this machine"
    ]
