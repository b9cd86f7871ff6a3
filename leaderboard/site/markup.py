"""From a template and values to a page: escaped, with a policy that lets in nothing of others."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.report.percent import percent, signed_points
from leaderboard.site.terms import Terms
from leaderboard.texts import OF_ESTIMATES, RANK_RULE

HERE = Path(__file__).parent

_BREAKS = re.compile(
    # After signs that join, and around the year of "Amini2024MeanSparse".
    r"(?<=[-_./])(?=[^-_./])|(?<=[A-Za-z])(?=(?:19|20)\d\d)|(?<=(?:19|20)\d\d)(?=[A-Z])"
)

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:;"
    " img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
)
"""Only the files beside a page are loaded, and no script or style inside one counts.

`file:` for browsers to whom a page opened from disk has no 'self'; no page of the web may load it.
Digests in place of 'self' would need CORS, which files on disk do not have.
"""


def render(
    template: str, values: Mapping[str, object], *, scripts: Sequence[str] = (), depth: int = 0
) -> str:
    """One page as HTML text.

    template: name in templates/. values: what it shows, escaped there.
    scripts:  names of `shared.shared` that the page runs, in order, once it is there.
    depth:    folders between the page and the site's root; links go up as many.
    """
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            policy=Markup(POLICY),  # its quotes are single, as an attribute may hold
            scripts=(*scripts, "page"),
            root="../" * depth,
            term=Terms(),
        )
    )


def percent_or_dash(share: float | None, *, digits: int = 1) -> str:
    """0.7666 as "76.7"; None, which means not known, as a dash."""
    return "–" if share is None else percent(share, digits=digits)


def points(difference: float) -> str:
    """A difference of shares in points with its sign, as "+2.8"; the minus is a true minus."""
    text = signed_points(difference).replace("-", "−")
    return "0.0" if text[1:] == "0.0" else text


def verdict(difference: float, *, is_clear: bool) -> str:
    """What a difference, smooth minus ReLU, tells of the two."""
    if not is_clear:
        return "does not show a difference"
    return "smooth is ahead" if difference > 0 else "ReLU is ahead"


def count(number: int | None) -> str:
    """77754 as "77.8 k", 25557032 as "25.6 M"; None as a dash."""
    if number is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def safe_url(link: str | None) -> str | None:
    """`link` if it is an http(s) address with a host, else None: `javascript:` must not be a link.

    Browsers skip control characters and blanks inside a scheme, so a link with any is none.
    """
    if not link or any(ord(character) <= 32 for character in link):
        return None
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc else None


LONGEST = 100
"""Characters of a name that a page shows; the middle of a longer one is left out."""


def short(name: str) -> str:
    """A name as pages show it: visible, and at most `LONGEST` characters long."""
    shown = str(visible(name))
    # The end stays: it tells two models of one name apart, as "(weights 1a2b3c4d)".
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 40]}…{shown[-39:]}"


def breakable(name: str) -> Markup:
    """A short name, escaped, that a line may break after `-`, `_`, `.`, `/` and a year."""
    return Markup("<wbr>").join(_BREAKS.split(short(name)))


def begun(text: str) -> str:
    """A rule of `leaderboard.texts` as the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def visible(value: Any) -> Any:
    """A text without what acts instead of being seen: control characters, turns of direction.

    Each becomes its escape, as "\\x1b" or "\\u202e", so that no name rewrites what stands around
    it. Spaces, tabs and ends of lines stay. What is no text, or HTML of our own, stays as it is.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(map(_seen, value))


def _seen(char: str) -> str:
    if char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode()


def data_json(value: object) -> Markup:
    """JSON for a data block `<script type="application/json">`.

    No `<`, `>` or `&` stays in it, so nothing in a name can end the block or open a comment. Texts
    are `visible`, since scripts show them.
    """
    text = json.dumps(
        _all_visible(value), ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _all_visible(value: object) -> object:
    if isinstance(value, Mapping):
        return {visible(key): _all_visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_all_visible(inner) for inner in value]
    return visible(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,  # of every value of every page, before it is escaped
    )
    environment.filters.update(
        percent=percent_or_dash,
        points=points,
        count=count,
        safe_url=safe_url,
        data_json=data_json,
        breakable=breakable,
        begun=begun,
        short=short,
    )
    environment.globals |= {"of_estimates": OF_ESTIMATES, "rank_rule": RANK_RULE}
    return environment
