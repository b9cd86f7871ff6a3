"""What keeps a page safe: escaping, links, data blocks, and its policy."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from leaderboard.boards import Leaderboard
from leaderboard.site.indexview import index_view
from leaderboard.site.markup import (
    breakable,
    count,
    data_json,
    percent_or_dash,
    points,
    render,
    safe_url,
    visible,
)

COMMON = {"built": "2026-01-01", "version": "0", "here": ""}
INDEX = index_view(Leaderboard((), ()), ())


PRINTED = st.text(st.characters(exclude_categories=("C", "Z")))


@given(st.recursive(PRINTED, lambda inner: st.lists(inner) | st.dictionaries(PRINTED, inner)))
def test_a_data_block_holds_the_data_and_nothing_that_html_knows(value: object) -> None:
    text = str(data_json(value))
    assert json.loads(text) == value
    assert not set("<>&") & set(text)


@pytest.mark.parametrize(
    "char", ["\0", "\x1b", "\r", "\x9b", "\u200b", "\u202e", "\u2066", "\ufeff"]
)
def test_what_acts_is_seen_in_values_and_in_data(char: str) -> None:
    escaped = char.encode("unicode_escape").decode()
    assert visible(f"a{char}b") == f"a{escaped}b"
    assert json.loads(data_json({f"k{char}": [char, 1, None, True]})) == {
        f"k{escaped}": [escaped, 1, None, True]
    }
    assert visible(Markup(char)) == char, "HTML of our own is what it is"


def test_ends_of_lines_tabs_and_spaces_of_all_widths_stay() -> None:
    assert visible("a\n\tb\u00a0c\u3000d רשת") == "a\n\tb\u00a0c\u3000d רשת"


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


class Inside(HTMLParser):
    """The policy, the scripts that a page names, and what of a page would run or style it."""

    def __init__(self) -> None:
        super().__init__()
        self.policy, self.named, self.own = "", list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "http-equiv" in found:
            self.policy = found["content"] or ""
        is_data = found.get("type") == "application/json"
        if tag == "script" and "src" in found:
            self.named.append(found["src"] or "")
        elif tag == "style" or (tag == "script" and not is_data):
            self.own.append(tag)
        self.own += [name for name in found if name == "style" or name.startswith("on")]


def test_a_page_names_its_scripts_and_holds_none() -> None:
    page = Inside()
    page.feed(render("index.html", {**COMMON, **INDEX}, scripts=("vega", "charts"), depth=1))
    names = ("theme", "vega", "charts", "page")
    assert page.named == [f"../assets/{name}.js" for name in names]
    assert page.own == []


def test_the_policy_lets_in_the_files_beside_a_page_and_nothing_else() -> None:
    page = Inside()
    page.feed(render("index.html", {**COMMON, **INDEX}))
    rules = dict(rule.strip().split(" ", 1) for rule in page.policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self' file:",
        "style-src": "'self' file:",
        "img-src": "'self' file: data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_name_breaks_at_signs_and_around_a_year() -> None:
    broken = {
        "Amini2024MeanSparse_S-WRN-94-16": "Amini|2024|MeanSparse_|S-|WRN-|94-|16",
        "resnet50.a1_in1k/x": "resnet50.|a1_|in1k/|x",
        "a__b--c": "a__|b--|c",
        "<b>2024</b>": "&lt;b&gt;2024&lt;/|b&gt;",
        "WRN28x10": "WRN28x10",
    }
    for name, wanted in broken.items():
        assert breakable(name).replace("<wbr>", "|") == wanted
