"""Draw docs/eval.svg: the README's main command and what it prints, as a picture of a terminal.

    python docs/make_picture.py

The Report is the committed one of that very command, and the command line's own code prints it, so
the picture says what a reader will see. It is dark in light and dark surroundings, and loads
nothing: a reader's own monospaced font is stretched to the right width.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch
from xml.sax.saxutils import escape

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from eval import Report
from zoo.cli.shared.output import print_report

DOCS = Path(__file__).parent
PICTURE = DOCS / "eval.svg"
REPORT = DOCS.parent / "leaderboard" / "results" / "resnet8-silu-sat-digits.autoattack.json"
COLUMNS = 88

THEME = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        *((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)),
        *((88, 166, 255), (188, 140, 255), (57, 197, 207), (230, 237, 243)),
    ],
)

# As rich's own, without the web font.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" role="img" aria-label="TITLE"
  xmlns="http://www.w3.org/2000/svg">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
.{unique_id}-title {{
  font-family: system-ui, sans-serif;
  font-size: 18px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class _Terminal(io.StringIO):
    """What is printed to a terminal, with its colours."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def printed(report: Report) -> str:
    """What `sat-zoo eval` prints of a report, on a terminal of `COLUMNS` columns."""
    # What of the environment tells a program how to print.
    settings = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "50"}
    kept = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    with patch.dict(os.environ, kept | settings, clear=True), redirect_stdout(_Terminal()) as out:
        print_report(report, None)
    return out.getvalue()


def picture(report: Report) -> str:
    """The whole of it, as SVG."""
    command = report.command.partition(" --out")[0]
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    console.print(Text.from_ansi(printed(report).rstrip()))
    form = FORMAT.replace("TITLE", escape(f"{command}, and what it prints"))
    drawn = console.export_svg(title=command, theme=THEME, code_format=form, unique_id="eval")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main() -> None:
    """Draw it."""
    PICTURE.write_text(picture(Report.read(REPORT)), "utf-8")
    print(f"{PICTURE}, {PICTURE.stat().st_size:,} bytes", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
