"""From a template and values to a page: escaped, self-contained, with a policy that says so."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.report.percent import percent, signed_points
from leaderboard.texts import OF_ESTIMATES

HERE = Path(__file__).parent

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched, and only the scripts run whose digests stand in the page's head."""


def render(
    template: str, values: Mapping[str, object], *, scripts: Sequence[str] = (), depth: int = 0
) -> str:
    """One page as HTML text.

    template: name in templates/. values: what it shows, escaped there.
    scripts:  JavaScript of the page, each inlined as a module, after the page's own text.
    depth:    folders between the page and the site's root; links go up as many.
    """
    head = asset("theme.js")
    styles = asset("style.css")
    modules = [_inlined(script) for script in (*scripts, asset("page.js"))]
    policy = POLICY.format(scripts=" ".join(map(_digest, (head, *modules))), styles=_digest(styles))
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            policy=policy,
            head_script=Markup(head),
            styles=Markup(styles),
            modules=[Markup(module) for module in modules],
            root="../" * depth,
        )
    )


@cache
def asset(name: str) -> str:
    """The text of a file in assets/, stripped as the page will hold it."""
    return (HERE / "assets" / name).read_text("utf-8").strip()


def percent_or_dash(share: float | None, *, digits: int = 1) -> str:
    """0.7666 as "76.7"; None, which means not known, as a dash."""
    return "–" if share is None else percent(share, digits=digits)


def points(difference: float) -> str:
    """A difference of shares in points with its sign, as "+2.8"; the minus is a true minus."""
    text = signed_points(difference).replace("-", "−")
    return "0.0" if text[1:] == "0.0" else text


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


def data_json(value: object) -> Markup:
    """JSON for a data block `<script type="application/json">`.

    No `<`, `>` or `&` stays in it, so nothing in a name can end the block or open a comment.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _inlined(script: str) -> str:
    """The same program without what HTML would take for the script's end or for a comment.

    In a string or a regular expression, where alone these can stand, the backslash changes nothing.
    """
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent_or_dash, points=points, count=count, safe_url=safe_url, data_json=data_json
    )
    environment.globals["of_estimates"] = OF_ESTIMATES
    return environment
