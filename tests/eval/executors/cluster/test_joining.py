"""What cannot be asked for is refused before anything is reached."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from eval.arguments import as_options
from eval.errors import UsageError
from eval.evaluation import evaluate
from eval.executors.cluster import ClusterError, RayExecutor, joining
from zoo.cli.shared.workers import RaySettings

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UsageError, match=r'not installed \(.*\): pip install "sat-zoo\[ray\]"'
    ) as said:
        RayExecutor("local").connect()
    assert as_options(str(said.value)).startswith("--ray needs Ray")


@pytest.mark.parametrize("address", ["", "locla", "host", "host:", "host:0", "host:65536", ":6379"])
@pytest.mark.parametrize("wrap", [str, lambda text: f"ray://{text}:1", lambda text: [text]])
def test_what_is_no_address_is_refused(address: str, wrap: Callable[[str], Any]) -> None:
    with pytest.raises(UsageError, match=r"is no address: give local, auto, or HOST:PORT") as said:
        RayExecutor(wrap(address))
    assert repr(str(wrap(address)))[1:10] in str(said.value)


@pytest.mark.parametrize(
    "address", ["local", "auto", "gpu-1.example:6379", "[::1]:1", "10.0.0.1:65535"]
)
def test_addresses_are_taken(address: str) -> None:
    assert RayExecutor(address).ray == address


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"workers": 0}, "`workers` 0 is not possible: give 1 or more, as 8, or auto"),
        ({"workers": -3}, "`workers` -3 "),
        ({"workers": 2.0}, "`workers` 2.0 "),
        ({"workers": True}, "`workers` True "),
        ({"workers": "all"}, "`workers` 'all' "),
        ({"cpus_per_worker": 0}, "`cpus_per_worker` 0 is not possible: give 1 or more, as 1"),
        ({"cpus_per_worker": 0.5}, "`cpus_per_worker` 0.5 "),
        ({"gpus_per_worker": 1.5}, "`gpus_per_worker` 1.5 is not possible: give 0, 1, or a fracti"),
        ({"gpus_per_worker": -1}, "`gpus_per_worker` -1 "),
        ({"gpus_per_worker": float("nan")}, "`gpus_per_worker` nan "),
        ({"gpus_per_worker": float("inf")}, "`gpus_per_worker` inf "),
        ({"gpus_per_worker": 1e-5}, "`gpus_per_worker` 1e-05 "),  # Ray knows 0.0001 at least
        ({"gpus_per_worker": "1"}, "`gpus_per_worker` '1' "),
    ],
)
def test_counts_that_cannot_be_are_refused(counts: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        RayExecutor("local", **counts)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"workers": 2}, "`workers` 2 is about the workers of --ray: give --ray local too"),
        ({"gpus_per_worker": 0.5}, "--gpus-per-worker 0.5 is about the workers of --ray"),
        ({"cpus_per_worker": 1}, "--cpus-per-worker 1 is about the workers of --ray"),
        ({"ray": "local", "device": "cuda:1"}, "--device cuda:1 beside --ray: give cpu or cuda"),
        ({"ray": "local", "device": "cuda", "gpus_per_worker": 0.0}, "--gpus-per-worker 0 beside"),
        ({"ray": "local", "gpus_per_worker": 1.5}, "--gpus-per-worker 1.5 is not possible"),
        ({"ray": "local", "cpus_per_worker": 0}, "--cpus-per-worker 0 is not possible"),
        ({"ray": "here"}, "--ray 'here' is no address: give local, auto, or HOST:PORT"),
    ],
)
def test_options_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    nothing = dict.fromkeys(("ray", "workers", "gpus_per_worker", "cpus_per_worker"))
    with pytest.raises(UsageError) as error:
        RaySettings(**{**nothing, **settings})
    assert as_options(str(error.value)).startswith(as_options(said))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"engine": "reference"}, "`engine='reference'` beside `executor`: "),
        ({"device": "cuda"}, "`device` 'cuda' beside `executor`: "),
        ({"executor": "local"}, "`executor` is a str: give a RayExecutor"),
        ({"executor": RayExecutor}, "`executor` is a type: give a RayExecutor"),
        ({"executor": 2}, "`executor` is a int: give a RayExecutor"),
    ],
)
def test_evaluate_refuses_what_cannot_be_computed_elsewhere(how: dict[str, Any], said: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
    data = (torch.rand(4, 1, 4, 4), torch.zeros(4, dtype=torch.long))
    with pytest.raises(UsageError) as error:
        evaluate(net, data, **{"executor": RayExecutor("local"), "attack": "fgsm", **how})
    assert str(error.value).startswith(said)
    assert not ray.is_initialized()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "no-such-host.invalid"])
def test_where_nothing_listens_it_says_so_soon(host: str) -> None:
    since = time.monotonic()
    with pytest.raises(ClusterError) as said:
        RayExecutor(f"{host}:9").connect()
    assert time.monotonic() - since < 10
    assert str(said.value).startswith(f"no Ray cluster answers at {host}:9 (")
    assert "start one with ray start" in str(said.value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_asks_again_to_stop_is_answered_when_the_cluster_is_left(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    # Ray ends the process with code 1, and says nothing, where it is left by half.
    done = list[str]()
    usual = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def shutdown() -> None:
        signal.raise_signal(number)
        done.append("whole")

    def answer(*_: object) -> None:
        done.append("answered")
        raise KeyboardInterrupt

    monkeypatch.setattr(joining, "imported", lambda: SimpleNamespace(shutdown=shutdown))
    try:
        signal.signal(signal.SIGINT, answer)
        signal.signal(signal.SIGTERM, answer)
        with pytest.raises(KeyboardInterrupt):
            joining._leave(signal.SIG_DFL)
        assert done == ["whole", "answered"]
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for one, before in usual.items():
            signal.signal(one, before)
