"""Runs `sat-zoo eval` in processes of their own, and kills them at random moments.

    python killer.py N_KILLS SEED FOLDER ARGS...

Libraries are imported once and each run is forked: it starts in a tenth of a second and dies like
any other process. A command is first run undisturbed; then, in another home, its processes are
killed until one ends by itself; then the same with the next seed, until N_KILLS were killed.
Prints JSON, one entry for each seed. It is no test itself; test_resume.py starts it.
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import sklearn.datasets  # noqa: F401 - imported here once, for all runs
import torch

from eval import protocols
from eval.journal import journal
from zoo import loading, networks  # noqa: F401
from zoo.cli import main

PATIENCE_S = 600
SHORT = {"pgd-10": 10, "apgd-ce": 15, "apgd-t": 10, "fab-t": 5, "square": 60}


def start(stderr: Path) -> int:
    """Run the command in `sys.argv` in a new process; returns its id."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    code = 70
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """The exit code of the process, or minus the signal that killed it; None if it still runs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def run(arguments: list[str], home: Path, kill_after: list[float]) -> dict[str, Any]:
    """Run until it ends by itself; the first processes are killed after so many seconds."""
    home.mkdir(parents=True)
    os.environ["SAT_ZOO_HOME"] = str(home)
    sys.argv = ["sat-zoo", *arguments, "--out", str(home / "report.json")]
    n_killed, said = 0, []
    for patience in [*kill_after, PATIENCE_S]:
        child = start(home / "stderr")
        code = wait(child, patience)
        if code is None:
            os.kill(child, signal.SIGKILL)
            code = wait(child, PATIENCE_S)
            n_killed += 1
        said.append((home / "stderr").read_text())
        if code != -signal.SIGKILL:
            break
    return {"code": code, "n_killed": n_killed, "said": said, "report": str(home / "report.json")}


def shorten_protocol() -> None:
    """Make `short@1`: every attack, with few steps."""
    stages = protocols.protocol("pgd-10").stages + protocols.protocol("autoattack").stages
    protocols._AUTOATTACK["short@1"] = tuple(
        stage.model_copy(update={"steps": SHORT[stage.name], "targets": stage.targets and 3})
        for stage in stages
    )


if __name__ == "__main__":
    # Forked processes may not use a pool of threads that their parent began.
    torch.set_num_threads(1)
    journal.COMMIT_EVERY_S = 0.05
    shorten_protocol()
    n_kills, first, folder, *arguments = sys.argv[1:]
    moments, n_killed, found = random.Random(int(first)), 0, []
    for seed in itertools.count(int(first)):
        command = [*arguments, "--seed", str(seed)]
        began = time.monotonic()
        undisturbed = run(command, Path(folder, f"undisturbed-{seed}"), [])
        takes = time.monotonic() - began
        kill_after = [takes * moments.uniform(0.1, 0.45) for _ in range(int(n_kills))]
        killed = run(command, Path(folder, f"killed-{seed}"), kill_after)
        found.append({"killed": killed, "undisturbed": undisturbed})
        n_killed += killed["n_killed"]
        if n_killed >= int(n_kills) or {killed["code"], undisturbed["code"]} != {0}:
            break
    json.dump(found, sys.stdout)
