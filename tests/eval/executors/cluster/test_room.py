"""How many workers a cluster has room for, and what is said of more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eval.arguments import as_options
from eval.errors import UsageError
from eval.executors.cluster import RayExecutor, ray_executor
from eval.executors.cluster.joining import room

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")


HEAD = {"memory": 1e9}  # what Ray reports of a machine with num_cpus=0
PLAIN, BIG, UNEVEN = {"CPU": 4.0}, {"CPU": 32.0, "GPU": 4.0}, {"CPU": 6.0, "GPU": 4.0}


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Machines of a cluster, each as its resources."""

    def of(*resources: dict[str, float]) -> None:
        found = [{"Resources": one, "Alive": True} for one in resources]
        gone = {"Resources": {"CPU": 1000.0, "GPU": 1000.0}, "Alive": False}
        monkeypatch.setattr(ray, "nodes", lambda: [*found, gone])

    return of


@pytest.mark.parametrize(
    ("shape", "cpus", "gpus", "n", "taken"),
    [
        ([PLAIN], None, 0, 4, 1),
        ([PLAIN, PLAIN, HEAD], None, 0, 8, 1),
        ([PLAIN, {"CPU": 3.0}], 2, 0, 3, 2),
        ([PLAIN], 5, 0, 0, 5),
        ([PLAIN], None, 1, 0, 1),
        ([BIG], None, 1, 4, 8),
        ([BIG, PLAIN], None, 1, 4, 8),
        ([{"CPU": 128.0, "GPU": 4.0}], None, 1, 4, 8),  # eight at most
        ([BIG, UNEVEN], None, 1, 8, 1),  # so that all GPUs are used
        ([BIG], None, 0.5, 8, 4),
        ([BIG], 1, 0.3, 12, 1),  # three to each GPU: none is one of two
        ([BIG], 1, 0.1, 32, 1),
        ([BIG], None, 2, 2, 8),
        ([{"CPU": 8.0, "GPU": 3.0}], None, 2, 1, 5),
        ([{"GPU": 1.0}, BIG], None, 1, 4, 8),  # a head with a GPU and num_cpus=0
        ([HEAD], None, 0, 0, 1),
        ([], None, 1, 0, 1),
    ],
)
def test_room_is_what_fits_on_each_machine(
    nodes: Callable[..., None],
    shape: list[dict[str, float]],
    cpus: float | None,
    gpus: float,
    n: int,
    taken: float,
) -> None:
    nodes(*shape)
    found = room(cpus, gpus)
    assert (found.n, found.cpus, found.gpus) == (n, taken, gpus)
    plural = "" if len(shape) == 1 else "s"
    assert found.said.startswith(f"{len(shape)} machine{plural} with ")


@pytest.mark.parametrize(
    ("shape", "how", "said"),
    [
        (
            [BIG, BIG],
            {"workers": 16, "gpus_per_worker": 1},
            "--workers 16: the cluster (2 machines with 64 CPUs and 8 GPUs in all) has room for 8"
            " that take 8 CPU and 1 GPU each: give fewer, or what each takes with --cpus-per-worker"
            " and --gpus-per-worker",
        ),
        (
            [PLAIN],
            {"workers": 5},
            "--workers 5: the cluster (1 machine with 4 CPUs and 0 GPUs in all)",
        ),
        (
            [PLAIN],
            {"workers": "auto", "gpus_per_worker": 1},
            "the cluster (1 machine with 4 CPUs and 0 GPUs in all) has no machine with room for a"
            " worker that takes 1 CPU and 1 GPU: give what each takes with",
        ),
        (
            [PLAIN, PLAIN],
            {"workers": 1, "cpus_per_worker": 8},
            "the cluster (2 machines with 8 CPUs",
        ),
        (
            [HEAD],
            {},
            "the cluster (1 machine with 0 CPUs and 0 GPUs in all) has no machine with room",
        ),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    nodes: Callable[..., None],
    shape: list[dict[str, float]],
    how: dict[str, Any],
    said: str,
) -> None:
    nodes(*shape)
    monkeypatch.setattr(ray_executor, "join", lambda *_: lambda: None)
    with pytest.raises(UsageError) as error:
        RayExecutor("auto", **how).connect()
    assert as_options(str(error.value)).startswith(said)
