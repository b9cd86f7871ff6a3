"""How a command that was stopped is gone on with."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from zoo.cli.shared.console import say

FRESH = "--fresh"


@contextmanager
def can_go_on(*stopped: type[BaseException]) -> Iterator[None]:
    """Say, where Ctrl-C or SIGTERM ends the block, which command goes on with what is kept.

    stopped: what is raised instead where the block itself answers these.
    """
    answered: tuple[type[BaseException], ...] = (KeyboardInterrupt, *stopped)
    try:
        yield
    except answered:
        say(f"go on with: {command_again(sys.argv[1:])}")
        raise


def command_again(args: Sequence[str]) -> str:
    """The command line that goes on with what `args`, without the program's name, has begun.

    Without --fresh, which would forget it; the shell reads it as it was given.
    """
    end = args.index("--") if "--" in args else len(args)
    kept = [arg for arg in args[:end] if arg != FRESH]
    return shlex.join(["sat-zoo", *kept, *args[end:]])
