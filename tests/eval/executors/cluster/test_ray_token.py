"""A real cluster that wants a token, or is of another version."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sat-zoo[ray]'")


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
print(made.address, flush=True)
sys.stdin.read()
made.shutdown()
"""

DRIVER = """
import sys
{first}
from eval.executors.cluster import ClusterError, RayExecutor
with RayExecutor(sys.argv[1], workers=1) as executor:
    try:
        executor.connect()
        print("connected to", executor.room().n)
    except ClusterError as error:
        print(error)
"""

OTHER_VERSIONS = (
    "import ray._private.utils as u; u.compute_version_info = lambda: ('2.1.0', '3.9.1')"
)


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[str, Path]]:
    """A cluster that wants a token, of a process of its own; its address, and a home with it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".ray").mkdir()
        (home / ".ray" / "auth_token").write_text("ab" * 32)
        head = subprocess.Popen(
            [sys.executable, "-c", CLUSTER],
            env={**os.environ, "HOME": str(home), "RAY_AUTH_MODE": "token"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert head.stdin is not None
        assert head.stdout is not None
        yield head.stdout.readline().strip(), home
        head.stdin.close()
        head.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("has_token", "env", "first", "said"),
    [
        (False, {}, "", "wants a token, and there is none here: bring the file"),
        (False, {"RAY_AUTH_MODE": "token"}, "", "wants a token, and there is none here"),
        (False, {"RAY_AUTH_TOKEN": "cd" * 32}, "", "wants a token, and the one here is another"),
        (True, {}, "", "connected to 1\n"),
        (
            True,
            {"RAY_AUTH_MODE": "token"},
            OTHER_VERSIONS,
            "this process Ray 2.1.0 and Python 3.9.1",
        ),
    ],
    ids=["none", "said and none", "another", "the token", "other versions"],
)
def test_a_real_cluster_with_a_token(
    tmp_path: Path,
    guarded: tuple[str, Path],
    has_token: bool,
    env: dict[str, str],
    first: str,
    said: str,
) -> None:
    address, home = guarded
    done = subprocess.run(
        [sys.executable, "-c", DRIVER.format(first=first), address],
        env={**os.environ, "HOME": str(home if has_token else tmp_path), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
