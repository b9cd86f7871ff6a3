"""A console that shows a stranger's text as it is, and draws nothing that the text asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from zoo.cli.shared.console import visible


class PlainConsole(Console):
    """`rich`'s console without markup, emoji and highlighting, and with control signs escaped."""

    def __init__(self, *, width: int | None = None) -> None:
        """width: columns; None for those of the terminal."""
        super().__init__(highlight=False, markup=False, emoji=False, width=width)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """As `Console.render`, of which every text comes out visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))

    def on_broken_pipe(self) -> NoReturn:
        """Let `zoo.cli.main` end it, as for what is printed without a console."""
        raise BrokenPipeError
