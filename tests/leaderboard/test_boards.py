"""The tables: what stands in them, what never meets, and that numbers are those of the sources."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from eval import Report
from eval.errors import UsageError
from eval.report.flag_codes import FLAGS, OF_THE_PROTOCOL, RANK
from leaderboard.boards import RESULTS, Board, boards, leaderboard
from leaderboard.columns import CLEAN, Column, family
from leaderboard.join import _column
from leaderboard.numbers import BestKnown, Number
from leaderboard.published import published
from leaderboard.rows import BoardRow, Check
from leaderboard.stats import RankRange

Make = Callable[..., Report]
Folder = Callable[..., Path]


@pytest.fixture(scope="module")
def built() -> tuple[Board, ...]:
    return boards()


def find(boards: tuple[Board, ...], key: str) -> Board:
    return next(board for board in boards if board.key == key)


def row_of(board: Board, model: str) -> BoardRow:
    return next(row for row in (*board.rows, *board.excluded) if row.model == model)


def test_rows_agree_with_the_committed_reports(built: tuple[Board, ...]) -> None:
    rows = [row for board in built for row in board.rows if row.reports]
    paths = {path for row in rows for path in row.report_paths}
    assert paths == set(RESULTS.glob("*.json"))
    for row in rows:
        assert row.clean is not None
        for measured in (row.clean, *row.robust.values()):
            verdicts = Report.read(measured.report_path).images.verdicts
            held = [v != "clean" if measured is row.clean else v == "robust" for v in verdicts]
            if measured.estimated is not None:
                assert measured.estimated.n_open == verdicts.count("open") > 0
                assert (measured.correct, measured.n) == (None, len(held))
                continue
            assert "open" not in verdicts or measured is row.clean
            assert (measured.correct, measured.n) == (sum(held), len(held))
            assert measured.accuracy == sum(held) / len(held)
            assert measured.low < measured.accuracy < measured.high


def test_every_published_number_is_in_exactly_one_row(built: tuple[Board, ...]) -> None:
    shown = [
        (board.dataset, board.norm, board.eps, claim.source, key, claim.accuracy)
        for board in built
        for row in (*board.rows, *board.excluded)
        for claims in (row.third_party, row.claimed)
        for key, claim in claims.items()
        if row.published and key not in {CLEAN, "not stated"}
    ]
    wanted = [
        (e.dataset, e.norm, e.eps, e.source, _column(e), e.robust)
        for e in published()
        if e.protocol != "not stated"
    ]
    assert sorted(map(str, shown)) == sorted(map(str, wanted))


def test_tables_never_mix_eps_norm_or_images(built: tuple[Board, ...]) -> None:
    for board in built:
        for row in (*board.rows, *board.excluded):
            if row.published:
                assert (row.published.dataset, row.published.norm) == (board.dataset, board.norm)
                assert row.published.eps == board.eps
            for report in row.reports:
                assert (report.data.name, report.threat.norm) == (board.dataset, board.norm)
    assert {row.model for row in find(built, "cifar10-linf-0-031-full").rows} == {
        "Atzmon2019Controlling",
        "Cui2020Learnable_34_10",
        "Cui2020Learnable_34_20",
        "Huang2020Self",
        "Xiao2020Enhancing",
        "Zhang2019Theoretically",
    }
    assert len({board.key for board in built}) == len(built)
    keys = [row.key for board in built for row in (*board.rows, *board.excluded)]
    assert len(set(keys)) == len(keys)


def test_claims_third_parties_and_attacks_are_columns_of_their_own(
    built: tuple[Board, ...],
) -> None:
    row = row_of(find(built, "cifar10-linf-8-255-full"), "Gowal2020Uncovering_70_16")
    assert {k: c.accuracy for k, c in row.third_party.items()} == {
        "clean": 0.8529,
        "autoattack": 0.572,
    }
    assert {k: c.accuracy for k, c in row.claimed.items()} == {
        "clean": 0.8529,
        "autoattack": 0.572,
        "not stated": 0.5714,
    }
    assert row.third_party["autoattack"].believed.accuracy == 0.5714
    bai = row_of(find(built, "imagenet-linf-4-255-not-stated"), "Bai2021_ResNet-50_GELU")
    assert {k: c.accuracy for k, c in bai.claimed.items()} == {
        "clean": 0.6738,
        "pgd-100": 0.4027,
        "autoattack": 0.3551,
    }
    for board in built:
        for row in board.rows:
            assert len({family(key) for key in row.claimed}) == len(row.claimed)


def test_claims_of_cards_are_shown_and_not_ranked(built: tuple[Board, ...]) -> None:
    board = find(built, "imagenet-linf-4-255-full")
    row = row_of(board, "resnet50-silu-sat")
    assert {k: c.accuracy for k, c in row.claimed.items()} == {
        "clean": 0.697,
        "pgd-10": 0.430,
        "pgd-20": 0.422,
        "pgd-50": 0.419,
        "pgd-200": 0.423,
    }
    assert "also 69.7 % (Xie et al. 2020" in str(row.claimed["clean"].note)
    assert board.ranked_by is None
    assert row.unranked == "no robust accuracy measured by anybody but its authors"
    # Sorted by the attack that most claims are about, never by a mixture of attacks.
    pgd50 = [r.claimed["pgd-50"].accuracy for r in board.rows if "pgd-50" in r.claimed]
    assert pgd50 == sorted(pgd50, reverse=True)
    assert ["pgd-50" in r.claimed for r in board.rows] == [True] * 13 + [False] * 4


def test_flagged_and_excluded_rows_say_why(built: tuple[Board, ...]) -> None:
    board = find(built, "cifar10-linf-8-255-full")
    kang = row_of(board, "Kang2021Stable")
    assert (kang.rank, kang.unranked) == (None, "flagged: unreliable")
    standard = row_of(board, "Standard")
    assert standard in board.excluded
    assert standard.excluded == "undefended model: not a baseline to beat"
    waiting = row_of(board, "resnet18-gelu-sat-cifar10")
    assert waiting.excluded == "not measured yet, and nothing is published for it"
    odd = find(built, "cifar10-linf-not-stated-not-stated")
    assert [row.excluded for row in odd.excluded] == ["its source does not state eps"]
    for one in built:
        assert all((row.rank is None) == (row.unranked is not None) for row in one.rows)


def row_with(flags: list[str], made: Make, results: Folder) -> BoardRow:
    report = made(flags=[(code, "why") for code in flags])
    (row,) = (row for board in boards([results(report)]) for row in board.rows if row.reports)
    return row


@pytest.mark.parametrize("code", FLAGS)
def test_a_flag_costs_the_rank_where_the_table_of_flags_says_so(
    code: str, made: Make, results: Folder
) -> None:
    row = row_with([code], made, results)
    shown = [] if code in OF_THE_PROTOCOL else [code]  # which the column's heading says
    assert [flag.code for flag in row.flags] == shown
    if RANK[code].is_lost:
        assert (row.rank, row.unranked) == (None, f"flagged: {code}")
    else:
        assert (row.rank, row.unranked) == (RankRange(1, 1), None)


def test_only_the_flags_that_cost_the_rank_are_its_reason(made: Make, results: Folder) -> None:
    flags = ["engine-fault", "zero-gradient", "passed-over-files", "of-a-later-version"]
    row = row_with(flags, made, results)
    assert row.unranked == "flagged: of-a-later-version, zero-gradient"
    assert len(row.flags) == 4


def test_external_evaluations_decide_the_rank(built: tuple[Board, ...]) -> None:
    rows = find(built, "imagenet-linf-4-255-5000-robustbench-s-fixed-list").rows
    mean_sparse = next(row for row in rows if row.model == "Amini2024MeanSparse_Swin-L")
    assert rows[0].model != mean_sparse.model, "62.12 by AutoAttack, but 58.92 is known"
    known = BestKnown(Number(0.5892, 5000), Column("third-party", "autoattack"), stronger=True)
    assert mean_sparse.best == known
    assert (rows[0].rank, mean_sparse.rank) == (RankRange(1, 7), RankRange(1, 10))


def about_resnet50(**more: str) -> dict[str, Any]:
    info = zoo.card("resnet50-silu-sat")
    facts = {"model": info.name, "parameters": info.parameters, "classes": 1000}
    return {**facts, "data": "imagenet", "eps": "4/255", **more}


def checks_of(folder: Path) -> dict[str, Check]:
    (row,) = (row for board in boards([folder]) for row in board.rows if row.reports)
    return {check.protocol: check for check in row.checks}


def test_a_claim_is_checked_against_the_same_protocol_only(made: Make, results: Folder) -> None:
    n_clean = ["clean"] * 30
    sat = ["robust"] * 40 + ["pgd-sat-50"] * 30 + n_clean
    own = ["robust"] * 40 + ["pgd-20"] * 30 + n_clean
    auto = ["robust"] * 20 + ["apgd-ce"] * 50 + n_clean
    checks = checks_of(
        results(
            made(sat, last=0.42, **about_resnet50(protocol="pgd-sat-50")),
            made(own, last=0.42, **about_resnet50(protocol="pgd-20")),
            made(auto, **about_resnet50(protocol="autoattack")),
        )
    )
    # Our pgd-20 is not the paper's, which the card would say; AutoAttack nobody claimed.
    assert set(checks) == {"clean", "pgd-50"}
    # The released code counts the last iterate, so its 41.9 % is compared with that.
    assert checks["pgd-50"].counted == "last iterates"
    assert checks["pgd-50"].difference == pytest.approx(0.42 - 0.419)
    assert (checks["pgd-50"].inside, checks["pgd-50"].verdict) == (True, "cannot tell")
    assert checks["clean"].difference == pytest.approx(0.70 - 0.697)


def test_a_claim_outside_the_interval_is_said_to_differ(made: Make, results: Folder) -> None:
    verdicts = ["robust"] * 5 + ["pgd-sat-50"] * 95
    checks = checks_of(results(made(verdicts, **about_resnet50(protocol="pgd-sat-50"))))
    assert (checks["pgd-50"].inside, checks["pgd-50"].verdict) == (False, "differs")
    assert checks["pgd-50"].counted == "last iterates"


def test_a_claim_about_many_images_holds(made: Make, results: Folder) -> None:
    verdicts = ["robust"] * 13_940 + ["clean"] * 6_060
    report = made(verdicts, **about_resnet50(protocol="clean"))
    assert checks_of(results(report))["clean"].verdict == "holds"


def test_the_lowest_seed_counts_and_engines_have_columns(made: Make, results: Folder) -> None:
    lucky = made(["robust"] * 4, seed=7, created="2026-02-01T00:00:00Z")
    first = made(["robust", "pgd-50", "robust", "robust"], seed=0)
    (row,) = [r for b in boards([results(lucky, first)]) for r in b.rows if r.reports]
    assert row.robust["pgd-50"].correct == 3
    assert len(row.reports) == 2


def test_a_number_with_the_fallback_stands_beside_an_older_one_without(
    made: Make, results: Folder
) -> None:
    content = json.loads(made(["robust"] * 4).to_json())
    del content["protocol"]["stages"][0]["fallback_loss"]
    content["protocol"].pop("fingerprint", None)
    old = Report.model_validate(content)
    new = made(["robust", "pgd-50", "robust", "robust"], created="2026-02-01T00:00:00Z")
    whole = leaderboard([results(old, new)])
    assert whole.refused == ()
    (row,) = [r for b in whole.boards for r in b.rows if r.reports]
    assert row.robust["pgd-50"].correct == 3
    assert row.robust["pgd-50 no fallback"].correct == 4
    assert len(row.reports) == 2


def test_other_weights_of_one_name_are_other_rows(made: Make, results: Folder) -> None:
    folder = results(made(weights="a"), made(weights="b"))
    rows = [row for board in boards([folder]) for row in board.rows if row.reports]
    assert len({row.model for row in rows}) == len({row.key for row in rows}) == 2
    assert all(row.model.startswith("somebody-s-net (weights ") for row in rows)


def test_what_cannot_be_used_is_named_and_the_rest_is_shown(made: Make, results: Folder) -> None:
    good = made()
    newer = made(created="2026-03-01T00:00:00Z")
    future = {"schema": "sat-zoo/report@9"}
    folder = results(good, newer, broken="{", foreign={"hello": 1}, future=future)
    whole = leaderboard([folder])
    reasons = {refused.path.name: refused.reason for refused in whole.refused}
    assert set(reasons) == {"0.json", "broken.json", "foreign.json", "future.json"}
    assert reasons["0.json"].endswith(f"is of the same run as {folder / '1.json'}")
    assert "Invalid JSON" in reasons["broken.json"]
    assert "use the sat-zoo that wrote it" in reasons["future.json"]
    assert sum(bool(row.reports) for board in whole.boards for row in board.rows) == 1


def test_without_results_the_published_numbers_still_stand(tmp_path: Path) -> None:
    whole = leaderboard([tmp_path])
    assert not any(row.reports for board in whole.boards for row in board.rows)
    assert len(find(whole.boards, "cifar10-linf-8-255-full").rows) == 92
    with pytest.raises(UsageError, match=r"results .*none do not exist: name a folder"):
        leaderboard([tmp_path / "none"])


def test_hostile_names_make_harmless_keys(made: Make, results: Folder) -> None:
    names = ["<script>alert(1)</script>", "../../etc/passwd", "https://evil.example/'", "[red]x[/]"]
    folder = results(*(made(model=name) for name in names))
    rows = [row for board in boards([folder]) for row in board.rows if row.reports]
    assert {row.model for row in rows} == set(names)
    for row in rows:
        assert set(row.key + row.model_key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len({row.model_key for row in rows}) == len(names)
