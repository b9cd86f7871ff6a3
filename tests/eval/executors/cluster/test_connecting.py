"""What is said where a cluster cannot be reached or used; none is there."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eval.arguments import as_options
from eval.executors.cluster import ClusterError, RayExecutor, joining

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "REACH_S", 0.3)
    monkeypatch.setattr(joining, "ANSWER_S", 2.0)


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of something that takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("quick")
def test_what_listens_and_is_no_ray_is_given_up(listening: str) -> None:
    since = time.monotonic()
    with pytest.raises(
        ClusterError, match=f"no Ray cluster at {listening} answers within 2 s: start"
    ):
        RayExecutor(listening).connect()
    assert time.monotonic() - since < 8
    assert not ray.is_initialized()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("env", "is_there", "said"),
    [
        ({}, False, "wants a token, and there is none here: bring the file ~/.ray/auth_token"),
        ({"RAY_AUTH_MODE": "token"}, False, "wants a token, and there is none here"),
        ({"RAY_AUTH_TOKEN_PATH": "/no/such/file"}, False, "wants a token, and there is none here"),
        ({"RAY_AUTH_TOKEN": "x"}, False, "wants a token, and the one here is another"),
        ({"RAY_AUTH_MODE": "Token"}, True, "wants a token, and the one here is another"),
    ],
)
def test_a_token_that_is_wanted_and_not_here_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    listening: str,
    env: dict[str, str],
    is_there: bool,
    said: str,
) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **env}.items():
        monkeypatch.setenv(name, value)
    if is_there:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("x")
    monkeypatch.setattr(joining, "_asked", lambda *_: (False, True))
    with pytest.raises(ClusterError, match=f"the Ray cluster at {listening} {said}"):
        RayExecutor(listening).connect()
    assert os.environ.get("RAY_AUTH_MODE") == env.get("RAY_AUTH_MODE")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (("2.9.3", None), ("Ray 2.9.3", "Python {python}", "Ray {ray}")),
        ((None, "3.12.1"), ("Ray {ray}", "Python 3.12.1", "Python {python}")),
        (("3.0.0.dev0", "3.13.0rc1"), ("Ray 3.0.0.dev0", "Python 3.13.0rc1", "Python {python}")),
    ],
)
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_cluster_of_other_versions_is_told_with_both(
    other: tuple[str | None, str | None], told: tuple[str, ...], is_wrapped: bool
) -> None:
    from ray._private.utils import check_version_info, compute_version_info

    found = compute_version_info()  # type: ignore[no-untyped-call]
    mine = dict(zip(("ray", "python"), found, strict=True))
    metadata = {
        "ray_version": other[0] or mine["ray"],
        "python_version": other[1] or mine["python"],
    }
    with pytest.raises(RuntimeError) as raised:
        check_version_info(metadata, "node 10.0.0.1")
    error: Exception = raised.value
    if is_wrapped:
        error = ConnectionError("Failed to connect to Ray cluster at host:1")
        error.__cause__ = raised.value
    said = joining._explained("host:1", error)
    assert said.startswith("the cluster at host:1 has Ray ")
    assert said.endswith(": use the same on all machines")
    for part in told:
        assert part.format(**mine) in said


@pytest.mark.parametrize(
    "reason",
    [
        "No node info found matching attributes: '' when trying to resolve node to connect to.",
        "This node has an IP address of 10.0.0.2, and Ray expects this IP address to be either the"
        " GCS address or one of the Raylet addresses. Connected to GCS at host and found no Raylet"
        " with this IP address.",
    ],
)
def test_a_driver_outside_of_the_cluster_is_told_so(reason: str) -> None:
    error = ConnectionError("Failed to connect to Ray cluster at host:1")
    error.__cause__ = RuntimeError(reason)
    for one in (error, error.__cause__):
        said = joining._explained("host:1", one)
        assert said.startswith(
            "this machine is none of the cluster at host:1: run the command on one"
        )


def test_a_folder_too_large_to_travel_is_told_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private.runtime_env import packaging

    monkeypatch.setattr(packaging, "GCS_STORAGE_MAX_SIZE", 1024)
    with pytest.raises(ValueError, match="Package size") as raised:
        packaging._store_package_in_gcs("gcs://x.zip", b"x" * 2 * 2**20)
    error = RuntimeError("Failed to set up runtime environment.")
    error.__cause__ = raised.value
    ended: list[bool] = []
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(error))
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClusterError) as said:
        RayExecutor("local", factory="mynets:build").connect()
    assert as_options(str(said.value)).startswith(
        "the current folder has 2.00MiB and travels with --factory, of which Ray takes 0.00MiB:"
    )
    assert ended == [True]


@pytest.mark.parametrize("answer", [signal.SIG_DFL, signal.SIG_IGN, lambda *_: None])
@pytest.mark.parametrize("error", [None, RuntimeError("x"), KeyboardInterrupt()])
def test_sigterm_is_answered_as_before(
    monkeypatch: pytest.MonkeyPatch, answer: Any, error: BaseException | None
) -> None:
    def init(**_: Any) -> None:
        signal.signal(signal.SIGTERM, of_ray)
        if error is not None:
            raise error

    def of_ray(*_: object) -> None:
        """What Ray puts in its place, which ends the process."""

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    usual = signal.signal(signal.SIGTERM, answer)
    try:
        if error is None:
            leave = joining.join("local", None)
            assert signal.getsignal(signal.SIGTERM) == (
                of_ray if answer == signal.SIG_DFL else answer
            )
            leave()
        else:
            with pytest.raises((ClusterError, KeyboardInterrupt)):
                joining.join("local", None)
        assert signal.getsignal(signal.SIGTERM) == answer
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_any_other_error_of_ray_is_one_line() -> None:
    error = ConnectionError("Failed to connect\nto much")
    error.__cause__ = RuntimeError('File "python/ray/_raylet.pyx", line 3, in node.py')
    said = joining._explained("host:1", error)
    assert said == "the cluster at host:1 cannot be used (Failed to connect)"


@pytest.mark.usefixtures("quick")
def test_where_ray_runs_at_all_is_looked_at_before_ray_waits_a_minute(
    monkeypatch: pytest.MonkeyPatch, listening: str
) -> None:
    from ray._private import services

    if not hasattr(services, "get_node_to_connect_for_driver"):
        pytest.skip("this Ray looks by address")
    monkeypatch.setattr(joining, "_asked", lambda *_: (True, False))
    monkeypatch.setattr(services, "find_node_ids", list)
    since = time.monotonic()
    with pytest.raises(ClusterError, match=f"this machine is none of the cluster at {listening}:"):
        RayExecutor(listening).connect()
    assert time.monotonic() - since < 5
