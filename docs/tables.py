"""Tables in Markdown pages: each stands between two lines that name it, and a script fills it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

END = "<!-- end -->"


def filled(text: str, tables: Mapping[str, Iterable[str]]) -> str:
    """The page `text` with its tables written anew; `ValueError` where it has not one of a title.

    tables: the lines of each by its title, which stands in the page as `<!-- table: TITLE -->`.
    """
    for title, lines in tables.items():
        head = f"<!-- table: {title} -->\n"
        before, _, rest = text.partition(head)
        if END not in rest:
            raise ValueError(f"the page has no table {title!r}")
        text = "\n".join([before + head, *lines, "", END + rest.partition(END)[2]])
    return text


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def head(*titles: str) -> tuple[str, str]:
    """The first two lines: of words to the left the title, of numbers with a colon behind it."""
    ends = ["---:" if title.endswith(":") else "---" for title in titles]
    return line([title.removesuffix(":") for title in titles]), line(ends)
