"""What keeps a page safe: escaping, links, data blocks, and its policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.site.markup import count, data_json, percent_or_dash, points, render, safe_url

COMMON = {"built": "2026-01-01", "version": "0", "here": ""}
INDEX = {"n_reports": 0, "sections": [], "gains": [], "flags": [], "refused": []}


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_data_block_holds_the_data_and_nothing_that_html_knows(value: object) -> None:
    text = str(data_json(value))
    assert json.loads(text) == value
    assert not set("<>&") & set(text)


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "//example.org",
        "https:",
        "http://[",
        "",
        None,
    ],
)
def test_what_is_not_http_is_no_link(link: str | None) -> None:
    assert safe_url(link) is None


def test_http_links_stay_as_they_are() -> None:
    assert safe_url("https://arxiv.org/abs/2006.14536") == "https://arxiv.org/abs/2006.14536"


def test_numbers_are_written_as_people_read_them() -> None:
    assert [percent_or_dash(0.7666), percent_or_dash(None)] == ["76.7", "–"]
    assert [points(0.0278), points(-0.005), points(0.0), points(-0.0001)] == [
        "+2.8",
        "−0.5",
        "0.0",
        "0.0",
    ]
    assert [count(77754), count(25_557_032), count(12), count(None)] == [
        "77.8 k",
        "25.6 M",
        "12",
        "–",
    ]


class Scripts(HTMLParser):
    """The policy, and the text of every script and style of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.policy, self.texts, self._inside = "", [""], False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.policy = found.get("content") or "" if "http-equiv" in found else self.policy
        self._inside = tag in {"script", "style"} and found.get("type") != "application/json"
        if self._inside:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def test_the_policy_lists_exactly_the_scripts_of_the_page() -> None:
    page = Scripts()
    page.feed(render("index.html", {**COMMON, **INDEX}, scripts=("let a = '</script><!--';",)))
    assert "<\\/script><\\!--" in page.texts[3], "nothing in a script ends it"
    digests = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in page.texts[1:]
    }
    assert set(re.findall(r"'sha256-([^']+)'", page.policy)) == digests
    assert len(digests) == 4, "the head's script, the styles, the given script, page.js"
    assert page.policy.startswith("default-src 'none';")
    assert "unsafe" not in page.policy
