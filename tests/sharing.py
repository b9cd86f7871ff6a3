"""How tests are shared out to the processes that run them at the same time."""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadFileScheduling

RAY = "test_ray"
"""How the names of those files begin whose tests start a cluster of Ray."""


class ByFile(LoadFileScheduling):
    """A file's tests run in one process, in which what they share is made once.

    All that start a cluster run in the same one: two clusters on few cores wait for each other. (A
    mark `xdist_group` said so, and pytest 9.2 passes over what xdist 3.8 makes of it.)
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return RAY if PurePosixPath(file).name.startswith(RAY) else file
