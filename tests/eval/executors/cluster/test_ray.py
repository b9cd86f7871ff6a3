"""Whole runs on real Ray: same verdicts as one process, whatever ends in the middle of it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from eval.evaluation import evaluate
from eval.executors.cluster import RayExecutor
from tests.eval.executors.cluster.conftest import RUN, check_same, pids, told_at

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.report.report import Report
    from zoo.model import ZooModel

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of a head without room for workers and two nodes with room for two each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.add_node(num_cpus=2)
    made.add_node(num_cpus=2)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def executor(cluster: Any) -> Iterator[RayExecutor]:
    """Three workers, which are kept from one test to the next."""
    with RayExecutor(cluster.address, workers=3) as kept:
        kept.connect()
        yield kept


@pytest.mark.parametrize("n", [1, 2, 3])
def test_any_number_of_workers_comes_to_the_verdicts_of_one_process(
    cluster: Any, model: ZooModel, images: ImageSet, alone: Report, n: int
) -> None:
    check_same(
        evaluate(model, images, executor=RayExecutor(cluster.address, workers=n), **RUN), alone
    )


def test_workers_are_on_both_nodes(
    executor: RayExecutor, model: ZooModel, images: ImageSet
) -> None:
    evaluate(model, images, executor=executor, **RUN)
    assert executor._fleet is not None
    nodes = {hand.who.node for hand in executor._fleet.hands.values() if hand.who}
    assert len(nodes) == 2


@pytest.mark.parametrize("seed", range(10))
def test_a_worker_that_is_killed_at_a_random_moment_changes_no_verdict(
    executor: RayExecutor, model: ZooModel, images: ImageSet, alone: Report, seed: int
) -> None:
    chance, said, killed = random.Random(seed), list[str](), list[int]()
    executor.on_message = said.append
    assert executor._fleet is not None
    executor._fleet.on_message = said.append

    def kill() -> None:
        killed.append(chance.choice(pids(executor)))
        os.kill(killed[0], signal.SIGKILL)

    moment = told_at(chance.randrange(1, 60), kill)
    check_same(evaluate(model, images, executor=executor, on_progress=moment, **RUN), alone)
    assert len(killed) == 1
    few = {**RUN, "attack": "fgsm"}
    while not [text for text in said if f"process {killed[0]}" in text and "has ended" in text]:
        evaluate(model, images, n=4, executor=executor, **few)
    assert killed[0] not in pids(executor)


def test_a_node_that_is_lost_changes_no_verdict(
    cluster: Any, model: ZooModel, images: ImageSet, alone: Report
) -> None:
    node, said = cluster.add_node(num_cpus=2, resources={"lost": 2}), list[str]()
    lost = told_at(30, lambda: cluster.remove_node(node, allow_graceful=False))
    executor = RayExecutor(cluster.address, workers=6, on_message=said.append)
    check_same(evaluate(model, images, executor=executor, on_progress=lost, **RUN), alone)
    assert [text for text in said if "has ended" in text]
