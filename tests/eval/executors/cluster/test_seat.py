"""What is said of an actor that could not be made, or has ended, by what Ray says of it."""

from __future__ import annotations

import pytest

from eval.executors.cluster.seat import _never_began, _why

UNMADE = """The actor died because of an error raised in its creation task, ray::Seat.__init__() \
(pid=24366, ip=10.0.0.7, actor_id=5de0a47e, repr=<eval.executors.cluster.seat.TemporaryActor>)
RuntimeError: The actor with name Seat failed to import on the worker. This may be because needed
library dependencies are not installed in the worker environment:

ray::Seat.__init__() (pid=24366, ip=10.0.0.7, actor_id=5de0a47e, repr=<...>)
  File "/somewhere.py", line 1, in <module>
    import {module}
{error}
"""


@pytest.mark.parametrize(
    ("module", "error"),
    [
        ("eval", "ModuleNotFoundError: No module named 'eval'"),
        ("torch", "ImportError: libcudart.so.12: cannot open shared object file"),
        ("numpy", "ValueError: numpy.dtype size changed"),
    ],
)
def test_software_that_is_missing_on_a_machine_is_told_with_the_machine(
    module: str, error: str
) -> None:
    said = _never_began(Exception(UNMADE.format(module=module, error=error)))
    assert said == (
        f"it cannot start on 10.0.0.7 ({error}): install the same there as on this machine"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The actor died unexpectedly before finishing this task.", "its process was killed"),
        ("... killed because the node ran out of memory", "its machine ran out of memory"),
        ("The actor died because its node has died.", "its machine is gone"),
        ("The actor died: worker process on the node died", "its process was killed or crashed"),
    ],
)
def test_an_end_in_the_middle_is_none_of_that(text: str, said: str) -> None:
    assert _never_began(Exception(text)) == ""
    assert _why(Exception(text)).startswith(said)
