"""How many CPUs there are for us."""

import os


def usable_cpus() -> int:
    """CPUs that this process may run on: a container's share where the system tells it, else all.

    What `os.process_cpu_count` returns since Python 3.13.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
