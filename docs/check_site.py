"""Look through the finished pages: every inner link leads somewhere, and nothing is loaded.

    python docs/check_site.py FOLDER

A page may link to the web; it must not load anything from there, since a reader may be offline and
need not be seen by anybody. Standard library only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
"""Attributes whose address the browser fetches by itself. Of `link` it depends on its `rel`."""

NOT_FETCHED = {"canonical", "author", "license", "next", "prev", "search", "index", "alternate"}
_FAR = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)
_IN_SCRIPT = re.compile(
    r"""(?:import\s*\(?|from|fetch\s*\(|importScripts\s*\(|\.src\s*=)\s*["'`]((?:https?:)?//[^"'`]+)"""
)


class Page(HTMLParser):
    """What a page links to, what it loads from elsewhere, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self._text_of = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, links and loads."""
        said = {name: value or "" for name, value in attrs}
        self._text_of = tag if tag in {"style", "script"} else ""
        self.anchors.update(said[name] for name in ("id", "name") if name in said)
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        fetched = [said[name] for name in LOADS.get(tag, ()) if name in said]
        if tag == "link" and not NOT_FETCHED & set(said.get("rel", "").split()):
            fetched.append(said.get("href", ""))
        self.loads += [one for one in fetched if _FAR.match(one)]
        self.loads += _IN_CSS.findall(said.get("style", ""))
        if tag != "a":
            self.links += [one for one in fetched if not _FAR.match(one) and " " not in one]

    def handle_data(self, data: str) -> None:
        """Look into styles and scripts that stand in the page."""
        if self._text_of:
            self.loads += {"style": _IN_CSS, "script": _IN_SCRIPT}[self._text_of].findall(data)


def faults(folder: Path) -> Iterator[str]:
    """Everything that is wrong, one sentence each."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    if not pages:
        yield f"{folder} holds no page"
    for path, page in sorted(pages.items()):
        here = path.relative_to(folder.resolve())
        yield from (f"{here} loads {one}" for one in page.loads)
        yield from (f"{here} links to {one}: {why}" for one, why in _broken(path, page, pages))
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".css", ".js", ".svg"}:
            text = path.read_text("utf-8", errors="replace")
            found = _IN_CSS.findall(text)
            if path.suffix == ".js":
                found = _IN_SCRIPT.findall(text)
            yield from (f"{path.relative_to(folder)} loads {one}" for one in found)


def _broken(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[tuple[str, str]]:
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            yield link, "there is no such file"
        elif target in pages and parts.fragment:
            is_there = unquote(parts.fragment) in pages[target].anchors
            yield from () if is_there else [(link, "the page has no such anchor")]


def main() -> None:
    """Print the faults; the exit code is 1 if there is one."""
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found) or "every inner link leads somewhere, and nothing is loaded")  # noqa: T201
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
