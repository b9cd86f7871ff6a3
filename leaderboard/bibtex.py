"""The paper of a row as an entry for BibTeX, in ASCII."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from leaderboard import escape
from leaderboard.published import Published
from leaderboard.rows import SAT_YEAR, BoardRow

_SMALL_WORDS = frozenset({"a", "an", "and", "are", "can", "do", "does", "for", "from", "how", "in"})
_SMALL_WORDS |= {"is", "of", "on", "the", "to", "with"}

_NONE = "N/A"
"""What RobustBench writes for the venue of a model without a paper."""


@dataclass(frozen=True)
class Paper:
    """What an entry says; link: http or https, arxiv: "2006.14536". None: not known."""

    title: str
    authors: tuple[str, ...]
    venue: str | None
    year: int | None
    link: str
    arxiv: str | None

    @classmethod
    def of(cls, entry: Published) -> Paper:
        """The paper of a published number."""
        venue = None if entry.venue in {None, "N/A"} else entry.venue
        return cls(entry.title, authors(entry.authors), venue, entry.year, entry.link, entry.arxiv)


SAT = Paper(
    title="Smooth Adversarial Training",
    authors=("Cihang Xie", "Mingxing Tan", "Boqing Gong", "Alan Yuille", "Quoc V. Le"),
    venue=None,
    year=SAT_YEAR,
    link="https://arxiv.org/abs/2006.14536",
    arxiv="2006.14536",
)
"""Of the models whose weights its authors released."""


def paper(row: BoardRow) -> Paper | None:
    """The paper that a row is about; None for a model that no paper is known of."""
    if row.published is not None:
        # An undefended model that stands there to compare with is of nobody's paper.
        return Paper.of(row.published) if row.published.venue != _NONE else None
    # A model of somebody's own may bear the name of the zoo's; the row then says whose weights.
    is_official = row.card is not None and row.card.official and row.card.name == row.model
    return SAT if is_official else None


def bibtex(of: Paper) -> str:
    """One entry, always of the kind that names no journal: venues are short names of any kind."""
    fields = [("title", f"{{{escape.latex(of.title)}}}")]
    if of.authors:
        fields.append(("author", " and ".join(map(_author, of.authors))))
    if of.year is not None:
        fields.append(("year", str(of.year)))
    if of.venue is not None:
        fields.append(("howpublished", escape.latex(of.venue)))
    if of.arxiv is not None:
        fields += [("eprint", of.arxiv), ("archiveprefix", "arXiv")]
    fields.append(("url", _address(of.link)))
    lines = [f"  {name} = {{{value}}}," for name, value in fields]
    return "\n".join([f"@misc{{{key(of)},", *lines, "}"])


def key(of: Paper) -> str:
    """What papers cite it by: first author, year, first telling word, as "xie2020smooth".

    The same for all models of one paper; in [a-z0-9] only.
    """
    words = [_letters(word) for word in re.split(r"[\s:/–—-]+", of.title)]
    word = next((one for one in words if one and one not in _SMALL_WORDS), "unnamed")
    year = str(of.year or "")
    if not of.authors:
        return f"{word}{year}"
    first = of.authors[0]
    surname = first.split(",")[0] if "," in first else first.split()[-1]
    return f"{_letters(surname)}{year}{word}"


def authors(text: str | None) -> tuple[str, ...]:
    """The people in a list as sources print it: "A B, C D and E F", "B, A and D, C"."""
    if not text:
        return ()
    people = [one.strip(" ,") for one in re.split(r"\s+and\s+|,\s*and\s+", text)]
    if len(people) > 1 and all(one.count(",") == 1 for one in people):
        return tuple(people)  # as BibTeX writes them, the surname first
    return tuple(one.strip() for part in people for one in part.split(",") if one.strip())


def _author(name: str) -> str:
    # A name that holds "and" would be two people.
    return re.sub(r"\band\b", "{and}", escape.latex(name))


def _letters(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]", "", bare)


def _address(link: str) -> str:
    # What would end the field, or be a command, has a code of its own in an address.
    return "".join(f"%{ord(char):02X}" if char in "{}\\" else char for char in link)
