"""The pages on submitting and the questions, and the words that pages explain."""

from __future__ import annotations

import re

import click
import pytest
import yaml

from leaderboard.boards import Leaderboard
from leaderboard.cli.leaderboard import SUBCOMMANDS
from leaderboard.site import indexview
from leaderboard.site.guides import WORKFLOW, guide_pages
from leaderboard.site.markup import render
from leaderboard.site.modelview import model_page
from leaderboard.site.terms import TERMS, Terms
from leaderboard.texts import RANK_RULE
from tests.browser.fakes import board, row, whole

COMMON = {"built": "2026-11-26", "version": "0.1.0"}
WORDS = (
    "attack",
    "rank",
    "best-known",
    "linf",
    "l2",
    "eps",
    "not-stated",
    "autoattack",
    "pgd",
    "estimated",
    "mcnemar",
)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return guide_pages(COMMON)


def test_every_address_inside_the_faq_leads_somewhere(pages: dict[str, str]) -> None:
    ids = re.findall(r'id="([^"]+)"', pages["faq.html"])
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', pages["faq.html"]))
    assert len(links) > 10
    assert links <= set(ids)


@pytest.mark.parametrize("key", WORDS)
def test_a_word_is_explained_in_the_faq_where_its_note_leads(
    pages: dict[str, str], key: str
) -> None:
    assert f'id="word-{key}"' in pages["faq.html"]
    more = TERMS[key].more
    assert not more or f'<h2 id="{more}">' in pages["faq.html"]


def test_a_word_opens_its_note_and_nobody_elses() -> None:
    term = Terms()
    button = term("linf")
    assert 'popovertarget="term-linf"' in button
    assert list(term.used) == ["linf"]
    assert "&lt;b&gt;" in term("eps", "<b>"), "escaped"
    with pytest.raises(KeyError):
        term("no such word")


def test_every_word_of_a_page_has_its_note_once(pages: dict[str, str]) -> None:
    view = indexview.index_view(whole(3), ())
    index = render("index.html", {**COMMON, **view, "here": "index.html"})
    model = model_page(row(7), board(1), COMMON | {"here": ""})
    for page in (*pages.values(), index, model):
        asked = re.findall(r'popovertarget="([^"]+)"', page)
        notes = re.findall(r'id="(term-[^"]+)" popover', page)
        assert sorted(notes) == sorted(set(asked))
    assert "term-best-known" in index
    assert "term-autoattack" in model


def test_the_faq_has_the_rule_of_ranks_in_its_own_words(pages: dict[str, str]) -> None:
    import html

    assert RANK_RULE[1:] in html.unescape(pages["faq.html"])


def test_the_commands_of_the_submit_page_exist(pages: dict[str, str]) -> None:
    import html

    page = html.unescape(pages["submit.html"])
    commands = re.findall(r"sat-zoo leaderboard (\w+)", page)
    assert set(commands) >= {"check", "add", "build"}
    assert set(commands) <= set(SUBCOMMANDS)


def test_options_named_on_the_submit_page_are_those_of_eval(pages: dict[str, str]) -> None:
    from zoo.cli.eval import command

    known = {name for it in command.params for name in it.opts if isinstance(it, click.Option)}
    blocks = "\n".join(
        re.findall(r'<pre id="measure-[^>]*>(.*?)</pre>', pages["submit.html"], re.S)
    )
    named = set(re.findall(r"(--[a-z-]+)", blocks))
    assert {"--attack", "--factory", "--out"} <= named
    assert named <= known


def test_the_workflow_checks_added_files_by_the_base_and_may_not_write() -> None:
    flow = yaml.safe_load(WORKFLOW.read_text())
    assert flow["permissions"] == {"contents": "read"}
    assert set(flow[True]) == {"pull_request"}, "`on`: never pull_request_target"
    steps = flow["jobs"]["check"]["steps"]
    assert steps[0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    installed = next(step["run"] for step in steps if "pip install" in step.get("run", ""))
    assert "./base" in installed
    assert "submitted" not in installed
    assert "sat-zoo leaderboard check" in steps[-1]["run"]
    runs = " ".join(step.get("run", "") for step in steps)
    assert "${{" not in runs, "no text of a stranger becomes part of a script"


def test_the_page_shows_the_whole_workflow(pages: dict[str, str]) -> None:
    import html

    assert WORKFLOW.read_text().rstrip() in html.unescape(pages["submit.html"])


def test_the_citation_names_the_day_of_the_page(pages: dict[str, str]) -> None:
    entry = re.search(r'<pre id="citation"[^>]*>(.*?)</pre>', pages["faq.html"], re.S)
    assert entry is not None
    assert "2026-11-26" in entry[1]
    assert entry[1].count("{") == entry[1].count("}")


def test_what_the_faq_says_of_claims_is_so(committed: Leaderboard, pages: dict[str, str]) -> None:
    assert "some numbers fell by more than 30 points" in pages["faq.html"]
    fell = [
        it.published.reported - found.accuracy
        for where in committed.boards
        for it in where.rows
        if it.published and it.published.reported and (found := it.third_party.get("autoattack"))
    ]
    assert sum(points > 0.3 for points in fell) >= 3
