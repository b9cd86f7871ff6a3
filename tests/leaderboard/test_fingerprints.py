"""Numbers of other hyper-parameters stand apart, whatever their protocol is called."""

import csv
import io
import json
import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from eval import Report
from eval.attacks import registry
from eval.errors import ReportError
from eval.fingerprint import PINNED, short
from eval.report.parts import ProtocolPart
from leaderboard.boards import Board, boards, leaderboard
from leaderboard.columns import column, family, title
from leaderboard.compare import compare
from leaderboard.export import to_csv, to_json, to_latex, to_markdown
from leaderboard.numbers import Claimed, Measured
from leaderboard.published import BASELINES, Baselines, published
from leaderboard.ranking import in_order, ranked, ranking_fingerprint
from leaderboard.results import read_report
from leaderboard.rows import BoardRow
from tests.bridged import bridged
from tests.leaderboard.forging import Content, committed, forged, put

Make = Callable[..., Report]
Folder = Callable[..., Path]
STANDARD = PINNED["autoattack-standard@1"]
AUTO, PGD = committed("autoattack"), committed("pgd-50")


@pytest.fixture(scope="module")
def built() -> tuple[Board, ...]:
    return boards()


@pytest.mark.parametrize(
    ("base", "field", "value", "said"),
    [
        (AUTO, "protocol.stages.0.steps", 50, "apgd-ce: steps 100 there, 50 here"),
        (AUTO, "protocol.stages.1.targets", 3, "apgd-t: targets 9 there, 3 here"),
        (AUTO, "protocol.stages.3.p_init", 0.3, "square: p_init 0.8 there, 0.3 here"),
        (AUTO, "protocol.stages.2.restarts", 2, "fab-t: restarts 1 there, 2 here"),
        (AUTO, "protocol.stages.0.loss", "dlr", "apgd-ce: loss ce there, dlr here"),
        (PGD, "protocol.stages.0.steps", 10, "pgd-50: steps 50 there, 10 here"),
    ],
)
def test_a_report_whose_stage_was_changed_under_its_name_is_refused_and_says_where(
    base: Content, field: str, value: object, said: str, tmp_path: Path
) -> None:
    def change(content: Content) -> None:
        put("protocol.fingerprint", None)(content)  # which would tell first
        put(field, value)(content)

    path = forged(base, change, tmp_path / "r.json")
    with pytest.raises(ReportError, match="are not those of protocol") as caught:
        read_report(path)
    assert said in str(caught.value)
    whole = leaderboard([path])
    assert not any(row.reports for board in whole.boards for row in board.rows)


def test_all_that_rank_on_a_board_have_one_fingerprint(built: tuple[Board, ...]) -> None:
    for board in built:
        for row in board.rows:
            if row.rank is not None:
                found = {**row.robust, **row.third_party}
                prints = {
                    it.ranks_by for key, it in found.items() if family(key) == board.ranked_by
                }
                assert board.fingerprint in prints
    by_key = {board.key: board.fingerprint for board in built}
    assert by_key["cifar10-linf-8-255-full"] == by_key["digits-linf-3-16-full"] == STANDARD


def measured(accuracy: float, fingerprint: str) -> Measured:
    return Measured(
        accuracy,
        n=100,
        correct=round(100 * accuracy),
        report_path=Path("r.json"),
        fingerprint=fingerprint,
        ranks_by=fingerprint,
    )


def test_another_version_and_a_claim_of_unknown_settings_are_not_ranked_beside_it() -> None:
    first, second = "autoattack-standard@1", "autoattack-standard@2"
    other = "ab" * 32
    rows = [
        BoardRow("a", "a", "a", robust={first: measured(0.5, STANDARD)}),
        BoardRow("b", "b", "b", robust={first: measured(0.4, STANDARD)}),
        BoardRow("c", "c", "c", robust={second: measured(0.9, other)}),
        BoardRow("d", "d", "d", third_party={"autoattack": Claimed(0.95, 100, source="s")}),
        BoardRow("e", "e", "e", third_party={"autoattack unpublished": Claimed(1, 9, source="s")}),
    ]
    assert ranking_fingerprint(rows, "AutoAttack") == STANDARD
    found = {row.key: row for row in ranked(rows, "AutoAttack")}
    assert [key for key, row in found.items() if row.rank] == ["a", "b"]
    assert f"{short(other)}, than those that rank here, {short(STANDARD)}" in str(
        found["c"].unranked
    )
    assert "not published, than those that rank here" in str(found["d"].unranked)
    assert "not published" in str(found["e"].unranked)
    ordered = [row.key for row in in_order(list(found.values()), "AutoAttack", None)]
    assert ordered[:2] == ["a", "b"], "none of another attack stands above or between them"


def test_reports_from_before_the_fallback_are_not_ranked_beside_newer_ones(
    made: Make, results: Folder
) -> None:
    content = json.loads(made(["robust"] * 4, model="old").to_json())
    del content["protocol"]["stages"][0]["fallback_loss"]
    old = Report.model_validate(content)
    new = [made(["robust", "pgd-50"] * 2, model=name) for name in ("new", "newer")]
    (board,) = [b for b in boards([results(old, *new)]) if any(row.reports for row in b.rows)]
    ranks = {row.model: row.rank for row in board.rows if row.reports}
    assert ranks["old"] is None
    assert ranks["new"]
    assert ranks["newer"]
    assert title(column(old)) == "PGD-50 no fallback"


def test_an_attack_that_a_package_brings_is_called_by_its_fingerprint(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("corner", "somebody:Corner", registry.GROUP)
    monkeypatch.setattr(registry, "others", lambda: {"corner": (point,)})
    monkeypatch.setattr("eval.protocols.others", lambda: {"corner": (point,)})
    report = made(["robust", "corner-7"], protocol="corner-7")
    key = column(report)
    assert re.fullmatch(r"corner-7 #[0-9a-f]{12}", key)
    assert family(key) == title(key) == key
    other = report.model_copy(
        update={
            "protocol": ProtocolPart.of(
                "corner-7", (report.protocol.stages[0].model_copy(update={"eot": 2}),)
            )
        }
    )
    assert column(other) != key


def test_robustbench_states_the_standard_and_papers_state_nothing() -> None:
    for path in sorted(BASELINES.glob("*.json")):
        content = Baselines.model_validate_json(path.read_bytes())
        for it in content.run_as:
            assert PINNED[it.name] == it.fingerprint
        is_robustbench = path.name.startswith("robustbench-")
        assert {row.fingerprint for row in content.stated} == {STANDARD if is_robustbench else None}
    assert {e.fingerprint for e in published() if e.kind == "claimed"} == {None}


def test_a_third_party_that_does_not_say_what_it_ran_has_a_column_of_its_own(
    built: tuple[Board, ...],
) -> None:
    keys = {
        key
        for board in built
        for row in (*board.rows, *board.excluded)
        for key, found in row.third_party.items()
        if found.fingerprint is None and key not in {"clean", "not stated"}
    }
    assert keys == {"autoattack unpublished"}
    assert family("autoattack unpublished") == "AutoAttack, settings not published"


def test_two_reports_of_other_hyper_parameters_are_not_comparable_and_say_why(made: Make) -> None:
    verdicts = ["robust", "clean"]
    fifty, ten = made(verdicts, protocol="pgd-50"), made(verdicts, protocol="pgd-10")
    found = compare(fifty, ten)
    assert not found.is_comparable
    assert found.to_dict()["comparable"] is False
    assert any(
        note.startswith("not comparable: the hyper-parameters differ") for note in found.notes
    )
    finer = compare(fifty, made(verdicts, step_size="1/255"))
    assert finer.differing == ("pgd-50: step_size eps/4 there, 1/255 here",)
    content = json.loads(fifty.to_json())
    del content["protocol"]["stages"][0]["fallback_loss"]
    older = compare(fifty, Report.model_validate(content))
    assert older.differing == ("pgd-50: fallback_loss margin there, none here",)
    assert compare(fifty, made(verdicts, seed=1)).is_comparable
    assert compare(fifty, made(verdicts, step_size="1/255", eps="8/255")).is_comparable is False
    clean = compare(fifty, made(["right", "clean"], protocol="clean"))
    assert clean.is_comparable, "what is compared there is accuracy without an attack"


def test_every_format_names_the_hyper_parameters(made: Make, results: Folder) -> None:
    whole = leaderboard([results(made(["robust", "pgd-50"]))])
    known = PINNED["pgd-50"]
    lines = list(csv.DictReader(io.StringIO(to_csv(whole))))
    assert {
        it["fingerprint"] for it in lines if it["from"] == "0.json" and it["attack"] != "clean"
    } == {known}
    assert STANDARD in {it["fingerprint"] for it in lines}
    assert "" in {it["fingerprint"] for it in lines if it["source"] == "claimed"}
    content = json.loads(to_json(whole))
    (mine,) = [b for b in content["boards"] if b["dataset"] == "toy"]
    assert mine["fingerprint"] == known
    numbers = {it["protocol"]: it["fingerprint"] for it in mine["rows"][0]["numbers"]}
    assert numbers == {"clean": None, "pgd-50": known}
    for text in (to_markdown(whole), to_latex(whole)):
        assert f"measured PGD-50 {short(known)}".replace("#", "") in re.sub(r"[\\#:]", "", text)


@pytest.mark.parametrize("field", ["package", "options", "defaults", "class_name"])
def test_an_attack_of_a_library_stands_by_its_options_and_version(made: Make, field: str) -> None:
    bridged("torchattacks")
    name = "torchattacks:PGD?steps=20"
    report = made(["robust", name], protocol=name)
    (stage,) = report.protocol.stages
    ran = stage.model_copy(update={"package": "torchattacks 3.5.1", "defaults": "alpha=0.007"})
    other = ran.model_copy(update={field: f"{getattr(ran, field)}1"})
    first, second = (
        report.model_copy(update={"protocol": ProtocolPart.of(report.protocol.name, (it,))})
        for it in (ran, other)
    )
    assert re.search(r"torchattacks:PGD\?steps=20(@1)? #[0-9a-f]{12}$", column(first))
    assert family(column(first)) != family(column(second))
    assert any(f": {field} " in it for it in compare(first, second).differing)
