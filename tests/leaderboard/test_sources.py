"""Numbers of two sources are never paired, and where they disagree it is said."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from leaderboard.boards import Board, boards
from leaderboard.columns import CLEAN, Column
from leaderboard.numbers import Claimed, Measured
from leaderboard.rows import BoardRow
from leaderboard.sources import clean_beside, contradictions, document
from leaderboard.texts import remarks


@cache
def committed() -> tuple[Board, ...]:
    return boards()


def row(name: str, key: str = "imagenet-linf-4-255-full") -> BoardRow:
    board = next(it for it in committed() if it.key == key)
    return next(it for it in board.rows if it.model == name)


@pytest.mark.parametrize(
    ("model", "attack", "clean"),
    [
        ("resnet50-relu-at", "pgd-200", 0.688),  # of the paper; the README's is 68.7
        ("resnet50-relu-at", "pgd-50", 0.687),
        ("resnet50-silu-sat", "pgd-200", 0.697),
        ("efficientnet-l1-enhanced-sat", "pgd-200", 0.822),
        ("resnet50-relu-smooth-both-at", "pgd-200", 0.689),
        ("resnet50-softplus-sat", "pgd-10", 0.681),
    ],
)
def test_clean_and_robust_of_a_claim_are_of_one_document(
    model: str, attack: str, clean: float
) -> None:
    found = row(model)
    beside = clean_beside(found, Column("claimed", attack))
    assert isinstance(beside, Claimed)
    assert beside.accuracy == clean
    assert document(beside.source) == document(found.claimed[attack].source)


def test_no_point_of_any_committed_board_mixes_two_documents() -> None:
    n = 0
    for board in committed():
        for it in board.rows:
            for column, robust in it.numbers.items():
                clean = None if column.key == CLEAN else clean_beside(it, column)
                if isinstance(robust, Measured) and clean:
                    assert isinstance(clean, Measured)
                    assert clean.report_path == robust.report_path
                elif clean:
                    assert document(clean.source) == document(robust.source)
                n += clean is not None
    assert n > 200


def test_a_robust_number_without_a_clean_one_of_its_source_stands_alone() -> None:
    relu = row("resnet50-relu-at")
    other = replace(relu.claimed["pgd-200"], source="a talk")
    found = replace(relu, claimed={**relu.claimed, "pgd-200": other})
    assert clean_beside(found, Column("claimed", "pgd-200")) is None


def test_the_clean_accuracy_of_a_measured_number_is_of_its_own_report() -> None:
    digits = row("resnet8-silu-sat-digits", "digits-linf-3-16-full")
    for key, found in digits.robust.items():
        beside = clean_beside(digits, Column("measured", key))
        report = digits.reports[digits.report_paths.index(found.report_path)]
        assert beside is not None
        assert (beside.accuracy, beside.n) == (report.clean.accuracy, report.clean.n)


def test_more_steps_that_break_less_are_said_to_be_of_two_sources() -> None:
    said = contradictions(row("resnet50-silu-sat"))
    assert [what for what, _ in said] == [
        "PGD-200, 42.3, is above PGD-20, 42.2",
        "PGD-200, 42.3, is above PGD-50, 41.9",
    ]
    assert all("two sources (arXiv 2006.14536; README.md of github.com" in why for _, why in said)
    assert "PGD-200, 42.3, is above PGD-50, 41.9: of two sources" in remarks(
        row("resnet50-silu-sat")
    ), "in terminals and in Markdown"


def claims(**numbers: tuple[float, str]) -> BoardRow:
    named = {key.replace("_", "-"): Claimed(a, source=s) for key, (a, s) in numbers.items()}
    return BoardRow("a", "a", "a", claimed=named)


def test_what_contradicts_is_of_one_attack_and_of_two_sources() -> None:
    assert contradictions(claims(pgd_10=(0.5, "A"), pgd_20=(0.6, "B")))
    assert contradictions(claims(pgd_20=(0.5, "A"), autoattack=(0.6, "B"))), "no PGD is stronger"
    assert not contradictions(claims(pgd_10=(0.6, "A"), pgd_20=(0.5, "B")))
    assert not contradictions(claims(pgd_10=(0.5, "A, table 1"), pgd_20=(0.6, "A, table 2")))
    assert not contradictions(claims(clean=(0.5, "A"), fgsm=(0.6, "B")))


@pytest.mark.parametrize(
    ("source", "of"),
    [
        ("Xie et al. 2020, arXiv 2006.14536, abstract", "arXiv 2006.14536"),
        ("README.md of github.com/a/b at 98, table 1", "README.md of github.com/a/b at 98"),
        ("a talk", "a talk"),
    ],
)
def test_a_document_is_the_source_without_the_place_in_it(source: str, of: str) -> None:
    assert document(source) == of
