"""What people see while an evaluation runs: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eval.bars import on_stderr
from zoo.cli.shared.console import is_quiet, say

if TYPE_CHECKING:
    from eval.run import Progress


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Yields what is to be called with how far an evaluation is, which is then shown on stderr.

    See `eval.bars.on_stderr`; with --quiet nothing is shown.
    """
    if is_quiet():
        yield lambda _: None
        return
    with on_stderr(say) as update:
        yield update
