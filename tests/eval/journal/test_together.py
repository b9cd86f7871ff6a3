"""Rows are written many in a statement, and come to the same."""

import random
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from eval.executors.base import Broken, Ended, Event, Spent, Survived
from eval.journal import file
from eval.journal.journal import Journal
from eval.journal.tables import put, together
from tests.eval.journal.journals import BOUNDS, KEY, SESSION, STAGES


@given(st.lists(st.tuples(st.sampled_from(["ended", "spent", "meta"]), st.integers(0, 9))))
def test_the_rows_of_each_table_keep_their_order(rows: list[tuple[str, int]]) -> None:
    single = [put(KEY, table, value, i) for i, (table, value) in enumerate(rows)]
    found: dict[str, list[object]] = {}
    for sql, values in together(single):
        assert sql.count("?") == len(values) <= 900
        found.setdefault(sql.split(" VALUES")[0], []).extend(values)
    wanted: dict[str, list[object]] = {}
    for sql, values in single:
        wanted.setdefault(sql.split(" VALUES")[0], []).extend(values)
    assert found == wanted


def test_many_rows_take_few_statements() -> None:
    single = [put(KEY, "ended", "pgd-5", i, 1) for i in range(10_000)]
    assert len([*together(single)]) < 60


@pytest.mark.parametrize("seed", range(3))
def test_a_journal_of_many_events_at_once_says_what_one_of_single_events_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    events = list[Event]()
    for _ in range(1500):
        stage, position = draw.choice(STAGES), draw.randrange(10)
        events.append(
            draw.choice(
                [
                    Survived(stage, position, draw.random() < 0.5, draw.random() < 0.5),
                    Ended(stage, position, draw.random() < 0.5),
                    Spent(stage, 0.5, 3, 2, 1),
                ]
            )
        )
        if draw.random() < 0.01:
            events.append(Broken("pgd-5", position, None, draw.random() < 0.5))
    found = []
    for name, written in (("many", together), ("single", list)):
        monkeypatch.setattr(file, "together", written)
        with Journal(tmp_path / name, KEY, bounds=BOUNDS) as journal:
            journal.begin(SESSION)
            for event in events:
                journal.add(event)
        with Journal(tmp_path / name, KEY, bounds=BOUNDS) as journal:
            found.append([journal.recall(stage) for stage in STAGES])
    assert found[0] == found[1]
