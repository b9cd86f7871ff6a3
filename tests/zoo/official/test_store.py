import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from eval.errors import SatZooError, UsageError, WeightsMismatch
from eval.files.home import home
from eval.files.writing import sha256_of
from zoo.weights.store import Store

NAME = "small-net"
OLD = {"w": torch.zeros(2000), "b": torch.zeros(3)}
NEW = {"w": torch.ones(2000), "b": torch.ones(3)}
MADE_IN = {"source": "test"}


def hidden(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.iterdir() if path.name.startswith("."))


def value_of(store: Store) -> float | None:
    """The number in the stored weights, None if there are none; fails on a half-written entry."""
    stored = store.find(NAME)
    if stored is None:
        return None
    assert sha256_of(stored.path) == stored.sha256
    return float(load_file(stored.path)["w"][0])


def test_the_store_lies_where_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", "/somewhere")
    assert home() == Path("/somewhere")
    assert Store().root == Path("/somewhere/store")
    monkeypatch.delenv("SAT_ZOO_HOME")
    assert home().name == "sat-zoo"


def test_what_is_put_is_found_with_its_provenance(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "store")
    assert store.find(NAME) is None
    path = store.put(NAME, NEW, MADE_IN)
    assert path == store.root / NAME / "model.safetensors"
    stored = store.find(NAME)
    assert stored
    assert stored.path == path
    assert stored.sha256 == sha256_of(path)
    assert stored.provenance["source"] == "test"
    assert stored.provenance["name"] == NAME
    assert stored.provenance["written_by"].startswith("sat-zoo ")
    assert stored.provenance["created"].endswith("+00:00")
    assert hidden(store) == []
    assert path.stat().st_mode == (path.parent / "provenance.json").stat().st_mode


def test_an_entry_is_replaced_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for tensors, value in ((OLD, 0.0), (NEW, 1.0), (OLD, 0.0)):
        store.put(NAME, tensors, MADE_IN)
        assert value_of(store) == value
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "UPPER", "a--b"])
def test_a_name_that_no_model_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="only lower-case letters, digits and single hyphens"):
        Store(tmp_path).put(name, NEW, MADE_IN)
    with pytest.raises(UsageError):
        Store(tmp_path).find(name)


@pytest.mark.parametrize("file", ["model.safetensors", "provenance.json"])
def test_an_entry_that_somebody_broke_is_an_error(tmp_path: Path, file: str) -> None:
    store = Store(tmp_path)
    store.put(NAME, NEW, MADE_IN)
    (tmp_path / NAME / file).unlink()
    with pytest.raises(WeightsMismatch, match=f"{NAME} is not complete: its {file} is missing"):
        store.find(NAME)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1}', '{"sha256": "abc"}'])
def test_a_provenance_that_cannot_be_believed_is_an_error(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    path = store.put(NAME, NEW, MADE_IN)
    (path.parent / "provenance.json").write_text(text, "utf-8")
    with pytest.raises(WeightsMismatch, match=r"its provenance.json is missing or broken"):
        store.find(NAME)


def full_fsync(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_write(path: Path, content: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [(os, "fsync", full_fsync), (Path, "write_bytes", full_write)],
)
def test_a_full_disk_is_one_sentence_and_leaves_the_old_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Any
) -> None:
    store = Store(tmp_path)
    store.put(NAME, OLD, MADE_IN)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        with pytest.raises(SatZooError, match="cannot be written: the disk is full; free some"):
            store.put(NAME, NEW, MADE_IN)
    assert value_of(store) == 0.0
    assert hidden(store) == []


def test_a_write_that_the_system_stops_half_way_leaves_the_old_entry(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(NAME, OLD, MADE_IN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(SatZooError, match=r"cannot be written: .*[Ff]ile too large"):
            store.put(NAME, NEW, MADE_IN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert value_of(store) == 0.0
    assert hidden(store) == []


def test_a_store_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SatZooError, match=r"file cannot be written: .*SAT_ZOO_HOME"):
        Store(tmp_path / "file").put(NAME, NEW, MADE_IN)


def test_an_exception_of_any_kind_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    store = Store(tmp_path)
    monkeypatch.setattr(safetensors.torch, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.put(NAME, NEW, MADE_IN)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_between_the_renames_keeps_the_old_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.put(NAME, OLD, MADE_IN)
    rename, calls = Path.rename, []

    def interrupted(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 3:  # refused, moved aside, and now into the gap
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.put(NAME, NEW, MADE_IN)
    assert value_of(store) == 0.0
    assert hidden(store) == []


def killed_at(step: int, run: Callable[[], object]) -> bool:
    """Run in a child that is killed before its `step`-th rename, flush or deletion.

    Returns whether it got that far.
    """
    child = os.fork()
    if child == 0:
        left = [step]

        def deadly(do: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return do(*args, **kwargs)

            return wrapped

        for owner, name in ((os, "rename"), (os, "fsync"), (os, "unlink"), (os, "mkdir")):
            setattr(owner, name, deadly(getattr(owner, name)))
        Path.rename = deadly(Path.rename)  # type: ignore[method-assign]
        run()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("is_replacement", [False, True])
def test_a_kill_at_any_step_leaves_one_whole_entry_or_none(
    tmp_path: Path, is_replacement: bool
) -> None:
    n_steps = 0
    while True:
        store = Store(tmp_path / str(n_steps))
        store.root.mkdir()
        if is_replacement:
            store.put(NAME, OLD, MADE_IN)
        was_killed = killed_at(n_steps, partial(store.put, NAME, NEW, MADE_IN))
        assert value_of(store) in ((0.0, 1.0) if is_replacement else (None, 1.0))
        store.put(NAME, NEW, MADE_IN)
        assert value_of(store) == 1.0
        assert hidden(store) == []
        if not was_killed:
            break
        n_steps += 1
    assert n_steps >= 6


PUT_AND_WAIT = """
import os, sys, time
from pathlib import Path
import torch
from zoo.weights import store

def wait(descriptor):
    print("half-written", flush=True)
    time.sleep(600)

store.os.fsync = wait
store.Store(Path(sys.argv[1])).put("small-net", {"w": torch.ones(2000)}, {})
"""


def test_a_process_killed_in_the_middle_leaves_the_old_entry(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(NAME, OLD, MADE_IN)
    command = [sys.executable, "-c", PUT_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "half-written\n"
        assert len(hidden(store)) == 1
        store.put(NAME, OLD, MADE_IN)  # leaves the folder of a living process alone
        assert len(hidden(store)) == 1
        process.kill()
    assert value_of(store) == 0.0
    store.put(NAME, NEW, MADE_IN)
    assert value_of(store) == 1.0
    assert hidden(store) == []


def test_what_another_machine_left_is_deleted_after_a_day(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fresh = tmp_path / f".{NAME}.new.some.other.machine.123.abcd"
    stale = tmp_path / f".{NAME}.new.some.other.machine.124.abcd"
    for folder in (fresh, stale):
        folder.mkdir()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(stale, (two_days_ago, two_days_ago))
    store.put(NAME, NEW, MADE_IN)
    assert hidden(store) == [fresh.name]


def test_of_many_writers_one_wins_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def write(value: float) -> None:
        for _ in range(5):
            store.put(NAME, {"w": torch.full((50,), value)}, {"value": value})

    writers = [threading.Thread(target=write, args=(float(i),)) for i in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stored = store.find(NAME)
    assert stored
    assert value_of(store) == stored.provenance["value"]
    assert hidden(store) == []


def test_a_deleted_entry_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(NAME, OLD, MADE_IN)
    store.put(NAME, NEW, MADE_IN)
    shutil.rmtree(tmp_path / NAME)
    assert store.find(NAME) is None
