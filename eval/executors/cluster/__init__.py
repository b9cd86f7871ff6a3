"""Runs on many machines, or in many processes of one: workers, and the driver that they tell.

No torch at import.
"""

from typing import TYPE_CHECKING, Any

from eval.executors.cluster.joining import ClusterError

if TYPE_CHECKING:
    from eval.executors.cluster.ray_executor import RayExecutor

__all__ = ["ClusterError", "RayExecutor"]


def __getattr__(name: str) -> Any:
    if name == "RayExecutor":
        from eval.executors.cluster.ray_executor import RayExecutor

        return RayExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
