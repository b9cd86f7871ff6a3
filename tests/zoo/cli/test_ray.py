"""`sat-zoo eval`, `curve` and `reproduce` with `--ray`: all is as without it.

But for the processes that end by Ctrl-C, commands run in this process, in one cluster of it.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import zoo
from eval import Report, open_data
from eval.curves.curve import Curve
from eval.executors.cluster import RayExecutor
from tests.commandline import PATIENCE_S, Processes, processes_of
from tests.descendants import descendants, is_alive
from zoo import registry
from zoo.cards import Claim, ThreatSpec
from zoo.reproduce import Reproduction

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")
pytestmark = pytest.mark.slow

DIGITS = "resnet8-silu-sat-digits"
SHORT = (
    *("eval", DIGITS, "--attack", "pgd-5", "--n", "60"),
    *("--precision", "fp32", "--batch-size", "8"),
)
RAY = ("--ray", "local", "--workers", "2")
Run = Callable[..., Any]

NETS = """
import threading

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 10))
        self.lock = threading.Lock()  # no pickle takes it along

    def forward(self, x):
        return self.net(x)


def build(width=4):
    return Net(width)
"""


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    """A cluster of this process, which `--ray local` joins: one start for all commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "")  # so that what Ray puts there is taken out again
        patch.delenv("RAY_AUTH_MODE")
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        usual = signal.getsignal(signal.SIGTERM)
        ray.init(address="local", num_cpus=2, include_dashboard=False, **options)
        yield
        ray.shutdown()
        signal.signal(signal.SIGTERM, usual)  # Ray leaves an answer of its own


def same(one: Report, two: Report) -> None:
    """The same but for times."""
    assert one.images == two.images
    assert one.clean == two.clean
    assert one.robust == two.robust
    assert [stage.broken for stage in one.stages] == [stage.broken for stage in two.stages]
    assert [flag.code for flag in one.flags] == [flag.code for flag in two.flags]


@pytest.mark.usefixtures("_cluster")
def test_until_ends_with_the_interval_of_one_process_and_goes_on_to_the_exact_number(
    sat_zoo: Run, tmp_path: Path
) -> None:
    out, alone = tmp_path / "ray.json", tmp_path / "alone.json"
    sat_zoo(*SHORT, "--until", "9", "--out", alone, "--journal", tmp_path / "j")
    for _ in range(5):  # two workers may have all 60 images before a busy driver can stop them
        done = sat_zoo(*SHORT, *RAY, "--until", "9", "--fresh", "--out", out)
        assert (done.code, done.said) == (0, [])
        if Report.read(out).estimate is not None:
            break
    report, wanted = Report.read(out), Report.read(alone)
    assert report.estimate is not None
    assert report.estimate == wanted.estimate
    assert report.images.verdicts.count("open") > 0
    same(report, wanted)
    again = sat_zoo(*SHORT, *RAY, "--json")
    assert again.err.startswith("sat-zoo: resuming: ")
    whole = sat_zoo(*SHORT, "--json", "--journal", tmp_path / "j")
    same(*(Report.model_validate_json(one.out) for one in (again, whole)))


@pytest.mark.usefixtures("_cluster")
def test_a_budget_ends_with_a_report(sat_zoo: Run, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    done = sat_zoo(*SHORT, *RAY, "--attack", "square", "--budget", "1s", "--out", out)
    assert (done.code, done.said) == (0, [])
    report = Report.read(out)
    assert report.estimate is not None
    assert report.estimate.ended_by == "budget"
    assert 0 < report.images.verdicts.count("open") < 60
    assert "the same command without --budget goes on" in " ".join(done.out.split())


@pytest.mark.usefixtures("_cluster")
def test_adversarial_images_and_the_report_are_verified(sat_zoo: Run, tmp_path: Path) -> None:
    out, kept = tmp_path / "r.json", tmp_path / "adv.safetensors"
    done = sat_zoo(*SHORT, *RAY, "--out", out, "--save-adversarial", kept)
    assert (done.code, done.said) == (0, [])
    for file in (kept, out):
        checked = sat_zoo("verify", file)
        assert checked.code == 0, checked.err
    assert sum(stage.broken for stage in Report.read(out).stages) > 0


@pytest.mark.usefixtures("_cluster")
def test_a_curve_is_that_of_one_process(sat_zoo: Run) -> None:
    words = ("curve", DIGITS, "--eps", "1/8,1/4", "--attack", "pgd-5", "--n", "24", "--json")
    found, alone = (
        Curve.model_validate_json(sat_zoo(*words, *more).out) for more in (RAY, ["--fresh"])
    )
    assert found.series[0].fell == alone.series[0].fell
    points = [
        [(p.at_text, p.attacked, p.broken, p.carried) for p in one.series[0].points]
        for one in (found, alone)
    ]
    assert points[0] == points[1]


@pytest.mark.usefixtures("_cluster")
def test_claims_are_measured_as_by_one_process(
    sat_zoo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ball = ThreatSpec(norm="Linf", eps="3/16")
    claims = (
        Claim(accuracy=0.99, protocol="clean", source="a table"),
        Claim(accuracy=0.05, protocol="pgd-2", threat=ball, source="a", run_as="pgd-sat-2@1"),
    )
    cards = dict(registry._cards())
    cards[DIGITS] = cards[DIGITS].model_copy(update={"claims": claims})
    monkeypatch.setattr(registry, "_cards", lambda: cards)
    words = ("reproduce", DIGITS, "--n", "24", "--json")
    found, reports = [], []
    for more in (RAY, ["--fresh"]):
        done = sat_zoo(*words, *more)
        assert done.code == 0, done.err
        found.append(Reproduction.model_validate_json(done.out))
        reports.append([Report.read(Path(row.report)) for row in found[-1].rows])
    assert [row.verdict for row in found[0].rows] == [row.verdict for row in found[1].rows]
    for one, two in zip(*reports, strict=True):
        same(one, two)


@pytest.mark.usefixtures("_cluster")
def test_own_models_in_python_and_images_of_a_folder(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "pictures" / str(i % 3) / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(chance.integers(0, 255, (4, 4, 3), np.uint8)).save(path)

    def net(n_pixels: int, n_classes: int, act: Callable[[Any], Any]) -> nn.Module:
        class Own(nn.Module):  # of no module that a worker could import
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(n_pixels, 16), nn.Linear(16, n_classes)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                found: torch.Tensor = self.last(act(self.first(x.flatten(1))))
                return found

        torch.manual_seed(0)
        return Own().eval()

    how: dict[str, Any] = {"attack": "pgd-3", "eps": "1/16", "norm": "Linf", "progress": False}
    digits = open_data("digits").take(20)
    pictures = open_data("folder", data_dir=tmp_path / "pictures")
    with RayExecutor("local", workers=2) as executor:
        for model, images in (
            (net(64, 10, torch.tanh), digits),
            (net(64, 10, lambda x: x * torch.sigmoid(x)), digits),
            (net(64, 10, nn.SiLU()).half(), digits),
            (net(48, 3, nn.SiLU()), pictures),
        ):
            found = zoo.evaluate(model, images=images, executor=executor, **how)
            same(found, zoo.evaluate(model, images=images, **how))
    assert ray.is_initialized()  # it was before


# Once ten images are done it waits to be interrupted.
HELD = """
import os, time
from eval import bars
real = bars.HowFar.update
def update(self, now):
    real(self, now)
    if now.stage == "pgd-5" and now.done >= 10:
        open(os.environ["HELD"], "w").close()
        time.sleep(60)
bars.HowFar.update = update
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Commands with a cluster of their own each, in the home of `sat_zoo`."""
    path = os.pathsep.join([str(Path(zoo.__file__).parents[1]), *sys.path])
    env = {"SAT_ZOO_HOME": str(tmp_path / "home"), "HELD": str(tmp_path / "held")}
    with processes_of(HELD, PYTHONPATH=path, **env) as started:
        yield started


def test_a_factory_of_the_current_folder_makes_the_model_on_workers(
    sat_zoo: Run, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ray_test_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    words = ["eval", "mine", "--factory", "ray_test_nets:build", "--factory-option", "width=12"]
    words += ["--data", "digits", "--eps", "1/16", "--norm", "Linf", "--attack", "pgd-3"]
    words += ["--n", "24", "--json", "--fresh"]
    process = processes.start(*words, *RAY)
    printed, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    alone = Report.model_validate_json(sat_zoo(*words).out)
    same(Report.model_validate_json(printed), alone)


@pytest.mark.parametrize(
    ("number", "n_times", "code", "end"),
    [
        (signal.SIGINT, 1, 130, "interrupted"),
        (signal.SIGINT, 2, 130, "interrupted"),
        (signal.SIGTERM, 1, 143, "stopped by SIGTERM"),  # Ray has an answer to it of its own
    ],
)
def test_a_signal_leaves_a_report_no_process_and_a_command_that_goes_on(
    sat_zoo: Run,
    processes: Processes,
    tmp_path: Path,
    number: int,
    n_times: int,
    code: int,
    end: str,
) -> None:
    out, held = tmp_path / "r.json", tmp_path / "held"
    process = processes.start(*SHORT, *RAY, "--out", str(out))
    until = time.monotonic() + PATIENCE_S
    while not held.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no verdict came"
        time.sleep(0.05)
    children = descendants(process.pid)
    assert len(children) > 3, "Ray's own processes"
    for i in range(n_times):
        time.sleep(0.5 * i)
        process.send_signal(number)
    printed, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, errors
    until = time.monotonic() + 60
    while left := [pid for pid in children if is_alive(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.1)
    lines = [line for line in errors.splitlines() if line]
    assert lines[-2:] == [
        f"sat-zoo: go on with: {shlex.join(['sat-zoo', *SHORT, *RAY, '--out', str(out)])}",
        f"sat-zoo: {end}",
    ]
    assert not [line for line in lines if not line.startswith("sat-zoo: ")]
    if n_times == 1:
        assert "robust accuracy  estimated," in printed
        assert (part := Report.read(out).estimate) is not None
        assert part.ended_by == "interruption"
    again = sat_zoo(*SHORT, "--json")
    assert again.err.startswith("sat-zoo: resuming: ")
    assert json.loads(again.out)["estimate"] is None
