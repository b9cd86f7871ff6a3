"""A page that loads something from the web, or leads nowhere, is found."""

from pathlib import Path

import pytest

from docs.check_site import faults


def site(folder: Path, body: str, **files: str) -> list[str]:
    (folder / "index.html").write_text(f"<html><body id='top'>{body}</body></html>")
    (folder / "other.html").write_text("<h1 id='here'>other</h1>")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return list(faults(folder))


@pytest.mark.parametrize(
    "body",
    [
        '<a href="https://arxiv.org/abs/2006.14536">a source</a>',
        '<a href="other.html#here">another page</a><a href="#top">up</a>',
        '<img src="data:image/png;base64,AAAA">',
        '<link rel="canonical" href="https://example.org/">',
        "<pre>fetch('https://example.org')</pre>",
        '<a href="mailto:ada@example.org">write</a>',
    ],
)
def test_links_to_the_web_and_within_the_site_are_no_fault(tmp_path: Path, body: str) -> None:
    assert site(tmp_path, body) == []


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://cdn.example.org/mathjax.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.org/css">',
        '<img src="http://example.org/badge.svg">',
        "<style>@import 'https://example.org/a.css';</style>",
        '<p style="background: url(https://example.org/a.png)">',
        "<script>import('https://example.org/a.js')</script>",
        '<iframe src="https://example.org"></iframe>',
        '<link rel="preconnect" href="https://example.org">',
    ],
)
def test_whatever_a_browser_would_fetch_is_found(tmp_path: Path, body: str) -> None:
    (fault,) = site(tmp_path, body)
    assert fault.startswith("index.html loads ")


def test_files_beside_the_pages_are_looked_into(tmp_path: Path) -> None:
    found = site(
        tmp_path,
        "",
        a_css="@font-face { src: url(https://example.org/f.woff2) }",
        b_js='importScripts("https://example.org/w.js"); // see https://example.org',
    )
    assert found == [
        "a.css loads https://example.org/f.woff2",
        "b.js loads https://example.org/w.js",
    ]


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("gone.html", "there is no such file"),
        ("other.html#gone", "the page has no such anchor"),
        ("#gone", "the page has no such anchor"),
        ("../outside.html", "there is no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, why: str) -> None:
    assert site(tmp_path, f'<a href="{link}">x</a>') == [f"index.html links to {link}: {why}"]


def test_a_folder_without_pages_is_a_fault(tmp_path: Path) -> None:
    assert list(faults(tmp_path)) == [f"{tmp_path} holds no page"]
