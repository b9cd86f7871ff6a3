"""The files that start a cluster: what Ray, KubeRay and Slurm take, and one evaluation each."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from zoo.cli.eval import command as eval_command

FILES = Path(__file__).resolve().parents[3] / "eval/cluster"
CLUSTER, JOB, SLURM = (
    FILES / name for name in ("ray-cluster.yaml", "kuberay-job.yaml", "slurm.sbatch")
)

# Field by field what the definition of a RayJob (v1) knows and requires of what the file uses:
# ray-operator/config/crd/bases/ray.io_rayjobs.yaml of ray-project/kuberay v1.7.0 (59d663a). There
# is nothing of unknown names: the API server drops them without a word. Pods are Kubernetes' own.
REQUIRED = {
    "spec": set(),
    "spec.rayClusterSpec": {"headGroupSpec"},
    "spec.rayClusterSpec.authOptions": set(),
    "spec.rayClusterSpec.headGroupSpec": {"template"},
    "spec.rayClusterSpec.workerGroupSpecs": {"groupName", "maxReplicas", "minReplicas", "template"},
}
KNOWN = {
    "spec": {
        "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy",
        "entrypoint", "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId",
        "managedBy", "metadata", "preRunningDeadlineSeconds", "rayClusterSpec", "runtimeEnvYAML",
        "shutdownAfterJobFinishes", "submissionMode", "submitterConfig", "submitterPodTemplate",
        "suspend", "ttlSecondsAfterFinished",
    },
    "spec.rayClusterSpec": {
        "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions",
        "headGroupSpec", "headServiceAnnotations", "historyServerOptions", "managedBy",
        "networkPolicy", "rayVersion", "suspend", "tlsOptions", "upgradeStrategy",
        "workerGroupSpecs",
    },
    "spec.rayClusterSpec.authOptions": {"enableK8sTokenAuth", "mode", "secretName"},
    "spec.rayClusterSpec.headGroupSpec": {
        "enableIngress", "headService", "ingressOptions", "labels", "rayStartParams", "resources",
        "serviceType", "template",
    },
    "spec.rayClusterSpec.workerGroupSpecs": {
        "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts",
        "priority", "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend",
        "template",
    },
}  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


def commands(path: Path) -> list[list[str]]:
    """The evaluations that a file starts, in comments and out of them, word by word."""
    text = re.sub(r"^# ?", "", path.read_text("utf-8"), flags=re.MULTILINE)
    if path.suffix == ".yaml":
        text += "\n" + str(read(path).get("spec", {}).get("entrypoint", ""))
    text = re.sub(r"\\\n\s*", " ", text).replace('"$@"', "MODEL")
    found = re.findall(r"sat-zoo eval (\w[^\"\n]*)", text)
    return [shlex.split(line.removesuffix(" &")) for line in found]


@pytest.mark.parametrize("path", [CLUSTER, JOB, SLURM], ids=lambda path: path.name)
def test_every_option_of_an_evaluation_exists(path: Path) -> None:
    context = click.Context(eval_command, info_name="sat-zoo eval")
    options = {option for one in eval_command.get_params(context) for option in one.opts}
    words = {word for line in commands(path) for word in line if word.startswith("--")}
    assert {"--ray", "--workers"} <= words
    assert not words - options


# Ray's own cluster file.


def prepared() -> dict[str, Any]:
    """The file as `ray up` takes it, with Ray's defaults, after Ray's own validation."""
    pytest.importorskip("ray")
    from ray.autoscaler._private.util import prepare_config, validate_config

    found: dict[str, Any] = prepare_config(read(CLUSTER))
    validate_config(found)
    return found


def test_ray_takes_the_cluster_file() -> None:
    node = prepared()["available_node_types"]["local.cluster.node"]
    n = len(read(CLUSTER)["provider"]["worker_ips"])
    assert (node["min_workers"], node["max_workers"]) == (n, n)


def test_rays_validation_sees_a_field_that_it_does_not_know() -> None:
    pytest.importorskip("ray")
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(Exception, match="worker_start_commands"):
        validate_config(prepare_config(read(CLUSTER) | {"worker_start_commands": []}))


@pytest.mark.parametrize("group", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_no_machine_of_the_cluster_file_is_open_to_everybody(group: str) -> None:
    *_, start = read(CLUSTER)[group]
    assert start.startswith("RAY_AUTH_MODE=token SAT_ZOO_DATA=/data ~/sat-zoo/bin/ray start ")


@pytest.mark.parametrize("group", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_ray_start_has_the_options_of_the_cluster_file(group: str) -> None:
    pytest.importorskip("ray")
    from ray.scripts.scripts import start

    *_, line = read(CLUSTER)[group]
    start.make_parser(click.Context(start)).parse_args(shlex.split(line)[4:])


# KubeRay's job.


def parts(where: str) -> list[dict[str, Any]]:
    """What stands at a place of the job: one part, or those of a list."""
    found: Any = read(JOB)
    for name in where.split("."):
        found = found[name]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("where", list(REQUIRED))
def test_the_job_has_what_a_rayjob_requires_and_nothing_that_it_does_not_know(where: str) -> None:
    for part in parts(where):
        assert REQUIRED[where] <= part.keys() <= KNOWN[where]


def test_the_job_is_one_that_kuberay_accepts() -> None:
    """What ray-operator/controllers/ray/utils/validation.go of v1.7.0 refuses otherwise."""
    job = read(JOB)
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", job["metadata"]["name"])
    assert job["spec"]["backoffLimit"] >= 0
    (cluster,) = parts("spec.rayClusterSpec")
    version = tuple(int(part) for part in cluster["rayVersion"].split("."))
    assert cluster["authOptions"]["mode"] == "token"
    assert version >= (2, 52, 0)  # "Ray version 2.52.0 or later is required" for a token
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] == workers["replicas"] == workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("group", ["headGroupSpec", "workerGroupSpecs"])
def test_every_volume_that_a_pod_mounts_is_there_and_the_images_are_only_read(group: str) -> None:
    (part,) = parts(f"spec.rayClusterSpec.{group}")
    pod = part["template"]["spec"]
    (container,) = pod["containers"]
    mounts = {one["name"]: one for one in container["volumeMounts"]}
    assert mounts.keys() == {one["name"] for one in pod["volumes"]}
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env["SAT_ZOO_DATA"] == mounts["data"]["mountPath"]
    assert mounts["data"]["readOnly"] is True
    if group == "headGroupSpec":
        assert env["SAT_ZOO_HOME"] == mounts["home"]["mountPath"]
    else:
        assert "home" not in mounts


# Slurm's script, with stand-ins that write down how they were called.

STAND_INS = {
    "scontrol": 'printf "node1\\nnode2\\nnode3\\n"',
    "srun": "trap 'exit 0' TERM; sleep 60 & wait",
    "ray": "",
    # Stands for "so many nodes are there": no, twice, and then yes.
    "python": 'n=$(grep -c ^python "$LOG"); ((n > ${NEVER:-2}))',
    "sat-zoo": """trap 'echo ended >> "$LOG"; exit 143' TERM
      sleep "${NAP:-0}" & wait; exit "${CODE:-0}" """,
}


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on three nodes, whose programs are stand-ins."""
    pytest.importorskip("fcntl", reason="Slurm runs on Unix")
    for name, body in STAND_INS.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        said = 'echo "$(basename "$0") $(tr "\\n" " " <<< "$*") # $RAY_AUTH_MODE ${RAY_ADDRESS:-}"'
        program.write_text(f'#!/bin/bash\n{said} >> "$LOG"\n{body}\n')
        program.chmod(0o755)
    path = os.pathsep.join((str(tmp_path / "bin"), os.environ["PATH"]))
    job = {"SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_JOB_NUM_NODES": "3"}
    return os.environ | job | {"PATH": path, "LOG": str(tmp_path / "log"), "HOME": str(tmp_path)}


def ran(slurm: dict[str, str], *words: str, **more: str) -> tuple[int, list[str]]:
    """Exit code of the script, and what it called."""
    code = subprocess.run(["bash", SLURM, *words], env=slurm | more, timeout=60, check=False)
    return code.returncode, Path(slurm["LOG"]).read_text("utf-8").splitlines()


def called(lines: list[str], program: str) -> list[str]:
    return [line for line in lines if line.startswith(f"{program} ")]


def test_slurms_script_is_bash() -> None:
    subprocess.run(["bash", "-n", SLURM], check=True)
    text = SLURM.read_text("utf-8")
    assert text.startswith("#!/bin/bash\n")
    assert "\t" not in text
    assert "set -euo pipefail" in text
    # sbatch reads its lines only in front of the first command.
    assert text.rindex("\n#SBATCH") < text.index("\nset -euo")


def test_the_script_starts_a_head_then_the_others_then_one_evaluation(
    slurm: dict[str, str],
) -> None:
    code, lines = ran(slurm, "MODEL", "--n", "5")
    assert code == 0
    at = "node1:24567"
    head, others = called(lines, "srun")
    ray = "ray start --head --port=24567 --include-dashboard=false --block"
    assert head == f"srun --nodes=1 --ntasks=1 --nodelist=node1 {ray}  # token "
    ray = f"ray start --address={at} --block"
    assert others == f"srun --nodes=2 --ntasks=2 --exclude=node1 {ray}  # token {at}"
    options = "--ray auto --workers auto --gpus-per-worker 1"
    evaluation = f"sat-zoo eval MODEL --n 5 {options}  # token {at}"
    assert called(lines, "sat-zoo") == [evaluation]
    assert called(lines, "ray") == ["ray get-auth-token --generate  # token "]
    looks = called(lines, "python")
    alone = [line for line in looks if "< 1)" in line]
    assert len(alone) == 3  # the head is not there, twice, and then it is
    assert "< 3)" in looks[-1]
    assert lines.index(looks[2]) < lines.index(others)
    assert lines.index(looks[-1]) < lines.index(evaluation)


def test_a_single_node_needs_no_others(slurm: dict[str, str]) -> None:
    code, lines = ran(slurm, "MODEL", SLURM_JOB_NUM_NODES="1")
    assert code == 0
    assert len(called(lines, "srun")) == 1


@pytest.mark.parametrize("code", [1, 2, 130])
def test_the_job_ends_with_the_evaluations_exit_code(slurm: dict[str, str], code: int) -> None:
    assert ran(slurm, "MODEL", CODE=str(code))[0] == code


def test_a_job_whose_nodes_do_not_come_up_says_so_and_ends(
    slurm: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = ran(slurm, "MODEL", NEVER="99", SAT_ZOO_NODES_S="1")
    assert code == 1
    assert "there are no 1 Ray nodes at node1:24567" in capfd.readouterr().err
    assert not called(lines, "sat-zoo")


def test_at_slurms_warning_the_evaluation_ends_and_its_exit_code_is_the_jobs(
    slurm: dict[str, str],
) -> None:
    log = Path(slurm["LOG"])
    job = subprocess.Popen(["bash", SLURM, "MODEL"], env=slurm | {"NAP": "60"})
    for _ in until(30):
        if log.exists() and called(log.read_text("utf-8").splitlines(), "sat-zoo"):
            break
    time.sleep(0.3)  # the stand-in has said that it runs, and sets its trap
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 143
    assert log.read_text("utf-8").splitlines()[-1] == "ended"


def until(seconds: float) -> Iterator[None]:
    """Looks, a tenth of a second apart."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.1)
