"""Files that somebody shared on Google Drive, and the pages that it sends instead of them.

A small file comes at once. Before a large one a page says that it cannot be scanned for viruses
and asks to confirm; we answer it. Other pages say that there will be no file, with the status 200.

Source: what drive.google.com/uc answered to browsers in 2024; see README.md for what is untried.
"""

from __future__ import annotations

import os
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from eval.files.download import NotFetched

ENDPOINT = "SAT_ZOO_DRIVE_ENDPOINT"
"""Environment variable: the address of a mirror, or of a test's server, instead of Drive's."""

_DRIVE = "https://drive.google.com"
_GOOGLE = (".google.com", ".googleusercontent.com")
_LONGEST_TITLE = 80
_QUOTA = ("quota exceeded", "too many users have viewed or downloaded", "quota has been exceeded")
_SIGN_IN = ("sign in", "sign-in", "you need access", "access denied", "request access")


def address(file_id: str) -> str:
    """Where the file with this id is asked for."""
    endpoint = os.environ.get(ENDPOINT, "").rstrip("/") or _DRIVE
    return f"{endpoint}/uc?export=download&id={quote(file_id, safe='')}"


def browser_page(file_id: str) -> str:
    """The page that a person opens to download the file."""
    return f"{_DRIVE}/file/d/{quote(file_id, safe='')}/view"


def answer(url: str, status: int, content: str, way_out: str) -> str:
    """The address that the page `content`, which came from `url`, wants to be asked next.

    way_out: what a person can do instead; ends the sentence.

    Raises `NotFetched` for every page that does not lead to the file.
    """
    page = _Page()
    page.feed(content)
    onward = page.onward(url)
    if onward is not None and status == 200:
        return onward
    raise NotFetched(f"{_problem(url, status, page)}; {way_out}")


def _problem(url: str, status: int, page: _Page) -> str:
    host = urlsplit(url).hostname or url
    if not _is_google(host) and not _is_endpoint(host):
        return (
            f"a web page came from {host} instead of the file{page.called}: a proxy or the log-in"
            " of a network seems to stand in between"
        )
    said = page.words()
    if any(words in said for words in _QUOTA):
        return (
            "Google Drive gives the file to nobody for now, since too many people fetched it"
            " (quota exceeded): try again tomorrow"
        )
    if "accounts.google." in host or "/ServiceLogin" in url or any(w in said for w in _SIGN_IN):
        return "Google Drive asks to sign in: the file is no longer shared with everybody"
    if status in {404, 410}:
        return f"Google Drive has no such file ({status}): it was moved or deleted"
    return (
        f"a web page came from {host} instead of the file{page.called} (status {status}): Google"
        " Drive has changed its pages, or a proxy stands in between"
    )


def _is_endpoint(host: str) -> bool:
    return host == urlsplit(os.environ.get(ENDPOINT, "")).hostname


def _is_google(host: str) -> bool:
    return host.endswith(_GOOGLE)


class _Page(HTMLParser):
    """Title, words, the form that confirms and the link that older pages have instead."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self._words: list[str] = []
        self._open: list[str] = []
        self._forms: list[tuple[str, dict[str, str]]] = []
        self._links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms with their hidden fields, and links."""
        found = {name: value or "" for name, value in attrs}
        if tag in {"title", "script", "style"}:
            self._open.append(tag)
        elif tag == "form" and found.get("method", "get").lower() == "get":
            self._forms.append((found.get("action", ""), {}))
        elif tag == "input" and self._forms and found.get("type", "").lower() == "hidden":
            self._forms[-1][1][found.get("name", "")] = found.get("value", "")
        elif tag == "a" and found.get("id") == "uc-download-link":
            self._links.append(found.get("href", ""))

    def handle_endtag(self, tag: str) -> None:
        """Note where a title, a script or a style ends."""
        if tag in self._open:
            self._open.remove(tag)

    def handle_data(self, data: str) -> None:
        """Collect what a reader would see."""
        if "title" in self._open:
            self.title += data
        if not {"script", "style"} & set(self._open):
            self._words.append(data)

    @property
    def called(self) -> str:
        """The title in quotation marks after a comma; "" if the page has none."""
        title = " ".join(self.title.split())[:_LONGEST_TITLE]
        return f', titled "{title}"' if title else ""

    def words(self) -> str:
        """What a reader would see, in lower case."""
        return " ".join(" ".join(self._words).split()).lower().replace("’", "'")

    def onward(self, url: str) -> str | None:
        """Where confirming leads; None if nothing is to be confirmed, or it leads to strangers."""
        ways = [
            _with_query(urljoin(url, action), fields)
            for action, fields in self._forms
            if {"id", "confirm"} <= fields.keys()
        ]
        for way in [*ways, *(urljoin(url, link) for link in self._links)]:
            here, there = urlsplit(url), urlsplit(way)
            is_safe = there.scheme in {"https", here.scheme}
            host = there.hostname or ""
            if is_safe and (host == here.hostname or _is_google(host)):
                return way
        return None


def _with_query(url: str, fields: dict[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **fields})))
