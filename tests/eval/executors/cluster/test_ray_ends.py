"""What ends on real Ray, and what is refused there: driver, node, images, models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from eval import open_data
from eval.data.prints import Prints
from eval.errors import SatZooError
from eval.evaluation import evaluate
from eval.executors.cluster import ClusterError, RayExecutor
from eval.factory import make_model
from eval.report.report import Report
from tests.descendants import descendants, is_alive
from tests.eval.executors.cluster.conftest import RUN, check_same, told_at

if TYPE_CHECKING:
    from eval.data import ImageSet
    from zoo.model import ZooModel

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")
pytestmark = pytest.mark.slow

POISONED = '''
import os
import threading

import torch
from torch import nn


class Poisoned(nn.Module):
    """Ends its process when it searches from an image whose corner is white."""

    def __init__(self, width):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.SiLU(), nn.Linear(width, 3))
        self.lock = threading.Lock()  # no pickle takes it along

    def forward(self, x):
        if torch.is_grad_enabled() and bool((x[:, 0, 0, 0] > 0.95).any()):
            os._exit(7)
        return self.net(x)


def build(width):
    return Poisoned(width)
'''


@pytest.fixture
def clusters() -> Iterator[Any]:
    """Makes clusters of a head without room for workers."""
    from ray.cluster_utils import Cluster

    made: list[Any] = []

    def make() -> Any:
        made.append(Cluster(initialize_head=True, head_node_args={"num_cpus": 0}))
        return made[-1]

    yield make
    ray.shutdown()
    for one in made:
        one.shutdown()


def test_no_worker_left_ends_the_run_and_the_same_call_goes_on(
    tmp_path: Path, clusters: Any, model: ZooModel
) -> None:
    images, cluster = open_data("digits").take(150), clusters()
    node = cluster.add_node(num_cpus=1)
    lost = told_at(5, lambda: cluster.remove_node(node, allow_graceful=False))
    executor = RayExecutor(cluster.address, workers=1)
    kept = {**RUN, "journal": tmp_path / "journal"}
    with pytest.raises(SatZooError, match=r"no worker is left .*has no machine for it"):
        evaluate(model, images, executor=executor, on_progress=lost, **kept)
    said: list[str] = []
    report = evaluate(model, images, on_message=said.append, **kept)
    check_same(report, evaluate(model, images, **RUN))
    assert int(said[0].split("resuming: ")[1].split()[0]) > 0


def test_a_killed_driver_leaves_no_process_and_the_same_command_goes_on(
    tmp_path: Path, model: ZooModel
) -> None:
    command = [sys.executable, "-m", "zoo", "eval", "resnet8-silu-sat-digits", "--n", "300"]
    command += ["--attack", "apgd-ce,apgd-dlr", "--ray", "local", "--workers", "2", "--json"]
    env = {**os.environ, "SAT_ZOO_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    log = (tmp_path / "log").open("w+")
    started = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=log)
    journals = tmp_path / "journals"
    sizes, until = {0}, time.monotonic() + 120
    while len(sizes) < 5:  # it is written about once a second, and nobody else can read it
        assert started.poll() is None, Path(log.name).read_text()
        assert time.monotonic() < until, "no verdict came"
        sizes.add(sum(path.stat().st_size for path in journals.glob("*.sqlite*")))
        time.sleep(0.05)
    children = descendants(started.pid)
    assert len(children) > 3, "Ray's own processes"
    started.send_signal(signal.SIGKILL)
    started.wait()
    done = subprocess.run(command, env=env, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "resuming: " in done.stderr
    images = open_data("digits").take(300)
    check_same(Report.model_validate_json(done.stdout), evaluate(model, images, **RUN))
    until = time.monotonic() + 150  # Ray's own agents take about a minute
    while left := [pid for pid in children if is_alive(pid)]:
        assert time.monotonic() < until, [_command(pid) for pid in left]
        time.sleep(0.5)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200]
    except OSError:
        return ""


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """The same pictures in three folders, of which one has another pixel in one picture."""
    chance = np.random.default_rng(0)
    made = {name: tmp_path / name for name in ("driver", "same", "other")}
    for i in range(12):
        pixels = chance.integers(0, 255, (4, 4, 3), np.uint8)
        for name, folder in made.items():
            path = folder / str(i % 3) / f"{i:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            changed = pixels.copy()
            changed[0, 0, 0] ^= 1 if (name, i) == ("other", 7) else 0
            Image.fromarray(changed).save(path)
    return made


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.SiLU(), nn.Linear(16, 3)).eval()


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSet:
    monkeypatch.setenv("SAT_ZOO_DATA", str(folder))
    return open_data("folder")


@pytest.mark.parametrize("driver_has", [True, False])
def test_a_node_with_other_pixels_is_left_out_by_name(
    clusters: Any,
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    driver_has: bool,
) -> None:
    cluster, said = clusters(), list[str]()
    for name in ("same", "other"):
        cluster.add_node(num_cpus=1, env_vars={"SAT_ZOO_DATA": str(folders[name])})
    how = {"attack": "pgd-5", "eps": "8/255", "progress": False, "batch_size": 4}
    images = opened(folders["driver"], monkeypatch)
    alone = evaluate(net(), images, **how)
    with RayExecutor(cluster.address, workers=2, on_message=said.append) as executor:
        if not driver_has:
            assert images.opening is not None
            images = executor.images(images.opening)
            digest = Prints.of(iter([images.batch(range(12)).x.numpy()])).pixels_sha256
            assert images.pixels_sha256() == digest
        report = evaluate(net(), images, executor=executor, **how)
        # A small run may be over before both have looked; then the second one is heard of next.
        while not said:
            evaluate(net(), images, executor=executor, **how)
    assert "is left out: " in said[0]
    assert "the pixels of '1/07.png' are others here" in said[0]
    if driver_has:  # else those of the worker that was asked first are meant, whichever that was
        check_same(report, alone)
    assert (
        report.images.verdicts == evaluate(net(), images, **how).images.verdicts
        if driver_has
        else True
    )


def test_a_node_without_the_images_is_left_out_by_name(
    clusters: Any, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster, said = clusters(), list[str]()
    cluster.add_node(num_cpus=1, env_vars={"SAT_ZOO_DATA": str(tmp_path / "nowhere")})
    images = opened(folders["driver"], monkeypatch)
    executor = RayExecutor(cluster.address, workers=1, on_message=said.append)
    with pytest.raises(SatZooError, match=r"no worker is left \(.*nowhere does not exist"):
        evaluate(net(), images, attack="fgsm", executor=executor, progress=False)
    assert "is left out: SAT_ZOO_DATA" in said[0]


def test_a_factory_travels_with_its_folder_and_an_image_that_ends_workers_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "poisoned_nets.py").write_text(POISONED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = make_model("poisoned_nets:build", {"width": 8})
    x = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.8
    x[33, 0, 0, 0] = 1
    with torch.no_grad():
        labels = model(x).argmax(1)
    how: dict[str, Any] = {"attack": "pgd-3", "eps": "2/255", "progress": False, "batch_size": 8}
    how["journal"] = tmp_path / "journal"
    with pytest.raises(SatZooError, match="cannot travel to other processes"):
        evaluate(model, (x, labels), executor=RayExecutor("local", workers=1), **how)
    said: list[str] = []
    executor = RayExecutor(
        "local",
        workers=2,
        factory="poisoned_nets:build",
        factory_options={"width": 8},
        on_message=said.append,
    )
    with pytest.raises(SatZooError, match=r"(was|were) set aside, .*'33'"):
        evaluate(model, (x, labels), executor=executor, **how)
    # Three tries; an idle worker may have had a copy of what nobody suspected yet.
    assert 3 <= len([text for text in said if "has ended" in text]) <= 5


def test_another_cluster_than_that_of_this_process_is_refused(clusters: Any) -> None:
    first, second = clusters(), clusters()
    first.add_node(num_cpus=1)
    with RayExecutor(first.address, workers=1) as one:
        one.connect()
        with pytest.raises(ClusterError, match=r"is connected to the cluster at .* already"):
            RayExecutor(second.address, workers=1).connect()
