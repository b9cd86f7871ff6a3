"""A ledger is told what ends when it ends, and says what an order drawn by chance allows to say."""

import random
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.estimate import Estimate, Tally, drawn_order
from eval.executors.base import Broken, Ended, Event, Survived
from eval.ledger import Ledger

STAGES = ("first", "second", "third")
NOTHING = torch.zeros(0)

Falls = st.lists(st.integers(-1, len(STAGES)), min_size=1, max_size=30)
"""Of each image: -1 wrong without an attack, the number of the stage that breaks it, or of all."""


def ledger_of(falls: list[int]) -> Ledger:
    return Ledger((fall >= 0 for fall in falls), dict.fromkeys(STAGES, False))


def event_of(falls: list[int], position: int, stage: int) -> Event:
    if falls[position] == stage:
        return Broken(STAGES[stage], position, NOTHING, is_broken_8bit=True)
    return Survived(STAGES[stage], position)


def run_on_all(ledger: Ledger, falls: list[int], n_on_all: int, seed: int) -> None:
    for stage in range(n_on_all):
        for position in ledger.standing(STAGES[stage]):
            ledger.take(event_of(falls, position, stage))
    ledger.draw(n_on_all, [str(i) for i in range(len(falls))], seed)


def events_in_any_order(falls: list[int], n_on_all: int, draw: random.Random) -> list[Event]:
    """Of each image its stages in order; images overtake one another as chance has it."""
    waiting = {
        i: list(range(n_on_all, min(fall, len(STAGES) - 1) + 1))
        for i, fall in enumerate(falls)
        if fall >= n_on_all
    }
    found = []
    while left := [position for position, stages in waiting.items() if stages]:
        position = draw.choice(left)
        found.append(event_of(falls, position, waiting[position].pop(0)))
    return found


def never(_: Estimate) -> bool:
    return False


@given(Falls, st.integers(0, 2), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_interval_narrows_as_the_order_says_whatever_ends_first(
    falls: list[int], n_on_all: int, seed: int, draw: random.Random
) -> None:
    ledger = ledger_of(falls)
    run_on_all(ledger, falls, n_on_all, seed)
    for event in events_in_any_order(falls, n_on_all, draw):
        ledger.take(event)
        ledger.advance(never)
    ledger.advance(never)
    survivors = [i for i, fall in enumerate(falls) if fall >= n_on_all]
    order = [survivors[place] for place in drawn_order([str(i) for i in survivors], seed)]
    expected = Tally(order, len(falls))
    expected.advance(lambda i: falls[i] == len(STAGES))
    assert list(ledger.trace) == list(expected.trace)
    assert ledger.estimate == expected.estimate
    assert ledger.is_complete


@given(Falls, st.integers(0, 2), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_what_is_told_of_images_is_what_the_interval_was_made_from(
    falls: list[int], n_on_all: int, seed: int, draw: random.Random
) -> None:
    ledger = ledger_of(falls)
    run_on_all(ledger, falls, n_on_all, seed)
    events = events_in_any_order(falls, n_on_all, draw)
    for event in events[: draw.randint(0, len(events))]:
        ledger.take(event)
        ledger.advance(never)
    ledger.advance(never)
    known, verdicts = ledger.estimate, ledger.verdicts
    assert known.s is not None
    assert verdicts.count("open") == known.s - known.m
    assert verdicts.count("robust") == known.k
    settled = {i for i, verdict in enumerate(verdicts) if verdict != "open"}
    names = {-1: "clean", len(STAGES): "robust", **dict(enumerate(STAGES))}
    assert all(verdicts[i] == names[falls[i]] for i in settled)
    assert {*ledger.order[: known.m]} <= settled


@given(Falls, st.integers(0, 2), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_intervals_nest_or_start_anew_and_right_images_only_become_fewer(
    falls: list[int], n_on_all: int, seed: int, draw: random.Random
) -> None:
    ledger = ledger_of(falls)
    run_on_all(ledger, falls, n_on_all, seed)
    rights = [ledger.estimate.right]
    for event in events_in_any_order(falls, n_on_all, draw):
        ledger.take(event)
        ledger.advance(never)
        rights.append(ledger.estimate.right)
    assert rights == sorted(rights, reverse=True)
    assert rights[-1] == falls.count(len(STAGES))
    for (_, low, high), (_, later_low, later_high) in pairwise(ledger.trace):
        nests = low <= later_low <= later_high <= high
        assert nests or later_high < low or high < later_low


def test_where_nothing_is_drawn_what_is_proven_bounds_the_number() -> None:
    falls = [3, 0, 3, -1]
    ledger = ledger_of(falls)
    for position in (0, 1, 2):
        ledger.take(event_of(falls, position, 0))
        assert not ledger.advance(lambda _: True)
    assert ledger.estimate.s is None
    assert ledger.estimate.interval == (0.0, 0.5)
    assert ledger.verdicts == ("open", "first", "open", "clean")
    for stage in (1, 2):
        ledger.take(event_of(falls, 2, stage))
    assert ledger.estimate.interval == (0.25, 0.5)
    assert ledger.verdicts == ("open", "first", "robust", "clean")


def test_a_broken_image_without_its_last_iterate_is_open() -> None:
    ledger = Ledger([True, True], {"pgd": True})
    ledger.take(Broken("pgd", 0, NOTHING, is_broken_8bit=True))
    assert ledger.verdicts == ("open", "open")
    assert ledger.estimate.interval == (0.0, 1.0)
    ledger.take(Ended("pgd", 0, is_right=True))
    assert ledger.verdicts == ("pgd", "open")
    assert ledger.estimate.interval == (0.0, 0.5)
