"""How this process becomes the driver of a Ray cluster, and what the cluster has room for."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from eval.cpus import usable_cpus
from eval.errors import SatZooError, UsageError, first_line
from eval.files.interrupts import uninterrupted

REACH_S = 4.0
"""Seconds in which a machine must take a connection."""

ANSWER_S = 9.0
"""Seconds in which a cluster must answer."""

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(?P<port>[0-9]{1,5})")


class ClusterError(SatZooError):
    """A cluster cannot be reached or used."""


def imported() -> ModuleType:
    """The package Ray. Raises `UsageError` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A worker without a GPU must not see those of its machine.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"`executor` needs Ray, which is not installed ({first_line(error)}): pip install"
            ' "sat-zoo[ray]"'
        ) from None
    return ray


def check_address(address: object) -> str:
    """The address as it was given. Raises `UsageError` for what is none."""
    if isinstance(address, str) and (
        address in {"local", "auto"}
        or ((found := _ADDRESS.fullmatch(address)) and 0 < int(found["port"]) < 2**16)
    ):
        return address
    raise UsageError(
        f"`ray` {str(address)[:80]!r} is no address: give local, auto, or HOST:PORT as ray start"
        " printed it"
    )


def check_counts(workers: object, gpus: object, cpus: object) -> None:
    """Raises `UsageError` for numbers of workers, and of what each takes, that cannot be."""
    if workers != "auto":
        _check_count("workers", workers, "as 8, or auto")
    if cpus is not None:
        _check_count("cpus_per_worker", cpus, "as 1")
    is_number = isinstance(gpus, int | float) and not isinstance(gpus, bool)
    if not is_number or not (gpus == 0 or 0.001 <= gpus <= 64) or (gpus > 1 and gpus != int(gpus)):  # type: ignore[operator, call-overload]
        raise UsageError(
            f"`gpus_per_worker` {gpus!r} is not possible: give 0, 1, or a fraction of one GPU"
        )


def _check_count(name: str, value: object, example: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**6:
        raise UsageError(f"`{name}` {value!r} is not possible: give 1 or more, {example}")


def join(address: str, working_dir: Path | None) -> Callable[[], None]:
    """Connect this process; returns what disconnects it, which does nothing if it was before.

    address: "local" for a cluster of this machine's own, for as long as this process lives.
    working_dir: a folder that each worker gets as its own, for the modules in it.
    Raises `ClusterError` where no cluster answers, or one of other versions does.
    """
    ray = imported()
    if ray.is_initialized():
        own = ray.get_runtime_context().gcs_address
        if address not in {"auto", "local", own}:
            raise ClusterError(
                f"this process is connected to the cluster at {own} already, and `ray` is"
                f" {address}: call ray.shutdown() first, or give auto for the one that it has"
            )
        return lambda: None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if working_dir is not None:
        options["runtime_env"] = {"working_dir": str(working_dir), "excludes": [".git"]}
    if address == "local":
        options |= {"num_cpus": usable_cpus(), "include_dashboard": False}
    else:
        _check_reached(address)
    usual = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, **options)
    except BaseException as error:  # of many kinds, most with many lines
        _leave(usual)  # it may be connected by half
        if isinstance(error, Exception):
            raise ClusterError(_explained(address, error)) from error
        raise
    if usual != signal.SIG_DFL:
        _answer_sigterm(usual)
    return partial(_leave, usual)


def _leave(usual: Any) -> None:
    """Whole, whoever asks twice to stop: one that is left by half ends this process with code 1."""
    try:
        with uninterrupted():
            imported().shutdown()
    finally:
        _answer_sigterm(usual)


def _answer_sigterm(usual: Any) -> None:
    """Ray has put its own answer in the place of `usual`: it ends the process, and keeps nothing.

    Where there was none, Ray's is better while it is connected: it leaves no processes behind.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, usual)


def _check_reached(address: str) -> None:
    """Raises `ClusterError` where no cluster answers; where it wants a token, take the one here."""
    where = "of this machine" if address == "auto" else f"at {address}"
    remedy = "start one with ray start, give HOST:PORT as it was printed, or `ray='local'`"
    if address != "auto":
        _check_listened(address, remedy)
    has_token, says_token = _has_token(), os.environ.get("RAY_AUTH_MODE", "").lower() == "token"
    is_there, wants_token = False, True
    if has_token or not says_token:  # else Ray crashes
        is_there, wants_token = _asked(address, {})
    if wants_token and has_token and not says_token:
        is_there, wants_token = _asked(address, {"RAY_AUTH_MODE": "token"})
        if is_there:
            _take_token()
    if not is_there and wants_token:
        which = "the one here is another" if has_token else "there is none here"
        raise ClusterError(
            f"the Ray cluster {where} wants a token, and {which}: bring the file ~/.ray/auth_token"
            " of the machine that it was started on"
        )
    if not is_there:
        raise ClusterError(f"no Ray cluster {where} answers within {ANSWER_S:.0f} s: {remedy}")
    _check_joined(address)


def _asked(address: str, env: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether a cluster answers, and whether it wants another token. env: to be added to ours.

    In a process of its own: Ray itself waits longer than anybody does, and cannot be stopped.
    """
    asked = [] if address == "auto" else ["--address", address]
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", *asked]
    try:
        done = subprocess.run(
            [*command, "--skip-version-check"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ANSWER_S,
            check=False,
            env={**os.environ, **env},
        )
        is_there, said = done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired as error:
        is_there, said = False, error.stdout or b""
    return is_there, not is_there and (b"AuthToken" in said or b"Unauthenticated" in said)


def _has_token() -> bool:
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return (Path(named) if named else Path.home() / ".ray" / "auth_token").is_file()


def _take_token() -> None:
    """Have this process, and what it starts, say the token."""
    from ray._raylet import Config  # type: ignore[attr-defined]  # it is compiled

    os.environ["RAY_AUTH_MODE"] = "token"
    Config.initialize("")  # it was read when Ray was imported


def _check_joined(address: str) -> None:
    """Raises `ClusterError` where no part of any cluster runs on this machine.

    Ray itself looks for one for a minute.
    """
    from ray._private import services

    if not hasattr(services, "get_node_to_connect_for_driver"):
        return  # an older Ray looks for it by address
    until = time.monotonic() + REACH_S
    while not services.find_node_ids():  # type: ignore[no-untyped-call]
        if time.monotonic() > until:
            raise ClusterError(_none_of(address))
        time.sleep(0.2)


def _check_listened(address: str, remedy: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S):
            return
    except OSError as error:
        why = error.strerror or str(error) or "no answer"
        raise ClusterError(f"no Ray cluster answers at {address} ({why}): {remedy}") from None


def _explained(address: str, error: BaseException) -> str:
    text, cause = str(error), error.__cause__  # Ray says why in a cause
    while cause is not None:
        text, cause = f"{text}\n{cause}", cause.__cause__
    versions = re.findall(r"(?:Ray|Python): *([0-9][^\s]*)", text)
    if "ersion mismatch" in text and len(versions) >= 4:
        ray, python, own_ray, own_python = versions[:4]
        return (
            f"the cluster at {address} has Ray {ray} and Python {python}, this process Ray"
            f" {own_ray} and Python {own_python}: use the same on all machines"
        )
    if "No node info found" in text or "found no Raylet" in text:
        return _none_of(address)
    if found := re.search(r"Package size \((.*?)\) exceeds the maximum size of (\S*\w)", text):
        return (
            f"the current folder has {found[1]} and travels with `factory`, of which Ray takes"
            f" {found[2]}: give the command in a folder that has little more than the module, or"
            " name what is large in a file .rayignore"
        )
    return f"the cluster at {address} cannot be used ({first_line(error)})"


def _none_of(address: str) -> str:
    return (
        f"this machine is none of the cluster at {address}: run the command on one of its machines,"
        " or let this one join by ray start"
    )


@dataclass(frozen=True)
class Room:
    """What one worker takes, and how many of them the cluster has room for, were it free."""

    cpus: float
    gpus: float
    n: int
    said: str


def room(cpus: float | None, gpus: float) -> Room:
    """For workers of `cpus` cores and `gpus` GPUs each; None: a fair share of each machine's."""
    ray = imported()
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if cpus is None:
        cpus = _share(nodes, gpus)
    fits = 0
    for one in nodes:
        counts = [int(one.get("CPU", 0) // cpus)] if cpus else []
        counts += [_gpu_places(one.get("GPU", 0), gpus)] if gpus else []
        fits += min(counts, default=0)
    n_cpus, n_gpus = (sum(one.get(kind, 0) for one in nodes) for kind in ("CPU", "GPU"))
    machines = f"{len(nodes)} machine{'s' * (len(nodes) != 1)}"
    return Room(cpus, gpus, fits, f"{machines} with {n_cpus:g} CPUs and {n_gpus:g} GPUs in all")


def _gpu_places(n_gpus: float, each: float) -> int:
    """A fraction of a GPU is one of a single GPU."""
    if each < 1:
        return int(n_gpus) * int(1 / each + 1e-9)
    return int(n_gpus // each)


def _share(nodes: list[Any], gpus: float) -> float:
    """CPUs for a worker: one, or with a GPU its share of the machine's, at most eight.

    Machines without CPUs, as a head may be, take no workers.
    """
    of_gpus = [one for one in nodes if gpus and one.get("GPU") and one.get("CPU")]
    shares = [one["CPU"] * gpus / one["GPU"] for one in of_gpus]
    return float(max(1, min([8, *map(int, shares)])) if shares else 1)
