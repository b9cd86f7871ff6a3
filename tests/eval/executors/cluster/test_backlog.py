"""Every image of a wave is done once or set aside, whatever becomes of the workers that have it."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from eval.executors.base import Broken, Ended, Job, Spent, Survived
from eval.executors.cluster.backlog import MOST_TRIES, PIECE, Backlog
from eval.executors.cluster.holding import MOST_BATCHES
from eval.executors.cluster.wire import CLEAN, Classified
from tests.eval.executors.cluster.backlogs import (
    STAGES,
    always_ends,
    backlog_of,
    finished_by,
    given,
    job,
    never_ends,
    survive,
)


def test_jobs_are_asked_for_as_there_is_room_for_them() -> None:
    asked = list[int]()

    def endless() -> Iterator[Job]:
        while True:
            asked.append(len(asked))
            yield job(4, 4 * len(asked))

    backlog = Backlog(endless(), never_ends)
    for worker in range(2):
        backlog.join(worker, 8, 1)
    assert not backlog.is_done
    for _ in range(20):
        for worker in range(2):
            survive(backlog, worker, *given(backlog, worker))
    assert len(asked) < 20 * 2 * 2 + 10


def test_jobs_without_images_are_passed_over() -> None:
    backlog = backlog_of(job(0), job(3), job(0), least=3)
    assert [len(one.positions) for one in backlog.jobs_for(0)] == [3]
    survive(backlog, 0, 0, 1, 2)
    assert backlog.is_done
    assert backlog_of(job(0)).is_done
    assert backlog_of().is_done


def test_a_large_job_goes_out_in_pieces_in_its_order_and_costs_time_in_proportion() -> None:
    n = 60 * PIECE
    backlog = backlog_of(job(n, size=512), size=512)
    done = list[int]()
    while not backlog.is_done:
        some = given(backlog, 0)
        assert len(backlog._ways) <= 2 * 512
        assert all(survive(backlog, 0, *some))
        done += some
    assert done == list(range(n))


def test_a_worker_holds_a_batch_until_its_rate_is_known_and_then_a_minute_of_work() -> None:
    backlog = backlog_of(job(10_000), workers=2)
    some = given(backlog, 0)
    assert len(some) == 8
    backlog.told(0, Spent("one", seconds=4.0))
    survive(backlog, 0, *some)
    assert len(given(backlog, 0)) == 120  # 2 a second
    backlog.told(1, Spent("one", seconds=1e-3))
    survive(backlog, 1, *given(backlog, 1))
    assert len(given(backlog, 1)) == 8 * MOST_BATCHES


def test_shares_shrink_towards_the_end_but_not_below_the_least() -> None:
    backlog = backlog_of(job(100), workers=4, size=64, least=6)
    sizes, left = list[int](), 100
    while not backlog.is_done:
        for worker in range(4):
            some = given(backlog, worker)
            assert len(some) == max(math.ceil(left / 8), min(6, math.ceil(left / 4)))
            sizes.append(len(some))
            left -= len(some)
            survive(backlog, worker, *some)
    sizes = [size for size in sizes if size]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes.count(6) > 3
    assert sum(sizes) == 100


def test_an_idle_worker_gets_a_copy_of_half_of_what_another_has_most_of() -> None:
    backlog = backlog_of(job(8), workers=3, least=8)
    first = given(backlog, 0)
    second = given(backlog, 1)
    assert len(first) + len(second) < 8  # the third is still to come
    third = given(backlog, 2)
    assert sorted(first + second + third) == list(range(8))[: len(first + second + third)]
    while rest := given(backlog, 2):
        if set(rest) & set(first):
            break
        survive(backlog, 2, *rest)
    survive(backlog, 2, *third)
    copied = given(backlog, 2) or rest
    assert copied == first[len(first) // 2 :]
    assert survive(backlog, 2, *copied) == [True] * len(copied)
    assert survive(backlog, 0, *first) == [p not in copied for p in first]


def test_nothing_is_copied_while_anything_waits() -> None:
    backlog = backlog_of(job(40), workers=2, size=4)
    seen = Counter[int]()
    slow = given(backlog, 0)
    seen.update(slow)
    while len(seen) < 40:
        some = given(backlog, 1)
        seen.update(some)
        assert max(seen.values()) == 1
        survive(backlog, 1, *some)
    assert set(given(backlog, 1)) <= set(slow)


def test_what_another_classified_first_is_cut_out_of_what_is_told_later() -> None:
    backlog = backlog_of(job(8, stages=(CLEAN,)), workers=2, least=8)
    first = given(backlog, 0)
    while not set(second := given(backlog, 1)) & set(first):
        assert backlog.told(1, _classified(second, 1)) is not None
    assert backlog.told(1, _classified(second, 1)) is not None
    news = backlog.told(0, _classified(first, 0))
    assert isinstance(news, Classified)
    assert news.positions == tuple(p for p in first if p not in second)
    assert news.answers.tolist() == [0] * len(news.positions)
    assert news.ranking.tolist() == [[p] for p in news.positions]
    assert backlog.told(0, _classified(first, 0)) is None
    assert backlog.is_done


def _classified(positions: list[int], answer: int) -> Classified:
    ranking = np.array(positions, np.uint8)[:, None]
    return Classified(tuple(positions), np.full(len(positions), answer), ranking, 2)


def test_an_image_that_survived_a_stage_is_not_attacked_with_it_again_after_a_loss() -> None:
    backlog = backlog_of(job(4, stages=STAGES), workers=1, least=4)
    assert given(backlog, 0) == [0, 1, 2, 3]
    survive(backlog, 0, 0, 1)
    survive(backlog, 0, 1, stage="two")
    backlog.told(0, Broken("one", 3, None, False))
    backlog.lost(0, "killed")
    left = dict[int, list[str]]()
    while not backlog.is_done:
        backlog.join(1, 8, 1)
        for one in backlog.jobs_for(1):
            for position in one.positions:
                left[position] = [stage.name for stage in one.stages]
                for stage in one.stages:
                    survive(backlog, 1, position, stage=stage.name)
    assert left == {0: ["two", "three"], 1: ["three"], 2: ["one", "two", "three"]}


@pytest.mark.parametrize("is_broken", [True, False])
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1, 1), (1, 1, 0, 0), (1, 0, 1, 0)])
def test_an_image_is_done_after_its_verdict_and_its_end_in_either_order(
    is_broken: bool, order: tuple[int, ...]
) -> None:
    backlog = Backlog([job(1)], always_ends)
    backlog.join(0, 8, 1)
    backlog.jobs_for(0)
    verdict = Broken("one", 0, None, False) if is_broken else Survived("one", 0)
    events = (verdict, Ended("one", 0, is_right=not is_broken))
    seen, heard = set[int](), 0
    for i in order:
        heard += backlog.told(0, events[i]) is not None
        seen.add(i)
        assert backlog.is_done == (seen == {0, 1})
    assert heard == 2


def test_what_one_worker_verified_broken_counts_though_another_is_in_a_later_stage() -> None:
    for needs_end in (never_ends, always_ends):
        backlog = Backlog([job(1, stages=STAGES)], needs_end)
        for worker in range(2):
            backlog.join(worker, 8, 1)
            assert given(backlog, worker) == [0]
        survive(backlog, 0, 0)
        backlog.told(0, Ended("one", 0, is_right=True))
        assert backlog.told(1, Survived("one", 0)) is None
        assert backlog.told(1, Broken("one", 0, None, False)) is not None
        assert backlog.is_done == (needs_end is never_ends)
        assert survive(backlog, 0, 0, stage="two") == [False]
        assert not backlog.held[0].open  # so that it is not thought to have kept quiet of it
        if not backlog.is_done:
            backlog.told(1, Ended("one", 0, is_right=False))
        assert backlog.is_done


def test_what_ended_a_worker_goes_out_alone_in_halves_before_all_else() -> None:
    backlog = backlog_of(job(100), workers=2)
    first = given(backlog, 0)
    backlog.lost(0, "killed")
    held = given(backlog, 1)
    assert held == first[:4]  # it was idle
    assert not given(backlog, 1)
    survive(backlog, 1, *held[:3])
    assert not given(backlog, 1), "nothing comes beside a suspect"
    survive(backlog, 1, *held[3:])
    assert given(backlog, 1) == first[4:]


def test_a_worker_runs_dry_for_a_suspect_though_more_waits() -> None:
    backlog = backlog_of(job(1000), workers=2)
    first, second = given(backlog, 0), given(backlog, 1)
    backlog.lost(0, "killed")
    survive(backlog, 1, *second[:-1])
    assert not given(backlog, 1)
    survive(backlog, 1, second[-1])
    assert given(backlog, 1) == first[:4]


def test_images_that_end_every_worker_are_set_aside_after_three_and_all_others_are_done() -> None:
    poison, done = {5, 60}, list[int]()
    backlog = backlog_of(job(80))
    worker, n_lost = 0, 0
    while not backlog.is_done:
        some = given(backlog, worker)
        if poison & set(some):
            backlog.lost(worker, f"end {n_lost}")
            n_lost, worker = n_lost + 1, worker + 1
            backlog.join(worker, 8, 1)
            continue
        survive(backlog, worker, *some)
        done += some
    aside = backlog.positions_aside
    assert poison <= set(aside)
    assert len(aside) == 4  # 8 in a shard, halved twice
    assert sorted(done + aside) == list(range(80))
    assert n_lost <= 2 * MOST_TRIES


def test_copies_do_not_hide_that_an_image_ends_every_worker() -> None:
    backlog = backlog_of(job(1), workers=2)
    worker, n_lost = 2, 0
    holders = [0, 1]
    assert given(backlog, 0) == given(backlog, 1) == [0]
    while not backlog.is_done:
        backlog.lost(holders.pop(0), "killed")
        n_lost += 1
        backlog.join(worker, 8, 1)
        if given(backlog, worker):  # at once, while the other copy is still held
            holders.append(worker)
        worker += 1
    assert n_lost == MOST_TRIES
    assert backlog.positions_aside == [0]


def test_a_slow_worker_does_not_hold_the_end_with_what_ended_another() -> None:
    backlog = backlog_of(job(4), workers=3, least=4)
    lost = given(backlog, 0)
    backlog.lost(0, "killed")
    slow = given(backlog, 1)
    assert set(slow) <= set(lost)
    done = finished_by(backlog, 2)
    assert set(slow) <= set(done)


def test_what_a_worker_held_that_is_left_out_waits_in_front_and_is_no_suspect() -> None:
    backlog = backlog_of(job(100), workers=2)
    first = given(backlog, 0)
    backlog.returned(0)
    assert given(backlog, 1) == first
    assert not backlog.aside
    survive(backlog, 1, *first)
    assert len(given(backlog, 1)) == 8


def test_a_suspect_that_was_with_a_worker_that_is_left_out_stays_one() -> None:
    backlog = backlog_of(job(2), workers=3, least=2)
    given(backlog, 0)
    backlog.lost(0, "killed")
    suspect = given(backlog, 1)
    backlog.returned(1)
    assert given(backlog, 2) == suspect
    assert not given(backlog, 2)
