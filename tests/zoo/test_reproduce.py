from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from eval import evaluate
from eval.data import ImageSet, open_data
from eval.errors import ReportError, UsageError
from eval.report.report import Accuracy, Report
from zoo import registry
from zoo.cards import Claim, ThreatSpec
from zoo.judging import decided, judge
from zoo.model import ZooModel
from zoo.reproduce import Settings, measurements, reproduce

BALL = ThreatSpec(norm="Linf", eps="3/16")
CLEAN = Claim(accuracy=0.99, protocol="clean", source="a table")
PGD = Claim(accuracy=0.1, protocol="pgd-2", threat=BALL, source="a table", run_as="pgd-sat-2@1")


def digits(*claims: Claim, **changes: str) -> ZooModel:
    found = zoo.load("resnet8-silu-sat-digits")
    info = found.card.model_copy(update={"claims": claims, **changes})
    model = ZooModel(found.net, info, found.source, found.file_sha256)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return open_data("digits").take(24)


def test_each_claim_stands_beside_the_number_that_it_is_about(
    images: ImageSet, tmp_path: Path
) -> None:
    model = digits(CLEAN, PGD)
    found = reproduce(model, images, tmp_path / "new" / "out", Settings())
    alone = evaluate(model, images, attack="pgd-sat-2", eps="3/16", precision="fp32")
    clean, attacked = found.rows
    assert (clean.counts, clean.measured) == ("clean", alone.clean)
    assert attacked.counts == "last iterate"
    assert attacked.measured.accuracy == alone.stages[0].last_iterate_accuracy
    assert attacked.measured.accuracy >= alone.robust.accuracy
    assert "end of its one run" in found.remarks[0]


def test_every_run_leaves_a_report_that_can_be_read(images: ImageSet, tmp_path: Path) -> None:
    found = reproduce(digits(CLEAN, PGD), images, tmp_path, Settings(command="sat-zoo reproduce"))
    names = sorted(path.name for path in tmp_path.iterdir())
    name = "resnet8-silu-sat-digits"
    assert names == [f"{name}.clean.n24.json", f"{name}.pgd-sat-2@1.linf-3-16.n24.json"]
    assert [Path(row.report).name for row in found.rows] == names
    report = Report.read(Path(found.rows[1].report))
    assert (report.model.source, report.command) == ("bundled", "sat-zoo reproduce")
    assert report.engine.precision == "fp32"


def test_claims_of_one_protocol_share_a_run_and_keep_their_order(
    images: ImageSet, tmp_path: Path
) -> None:
    other = CLEAN.model_copy(update={"accuracy": 0.98, "source": "another table"})
    found = reproduce(digits(PGD, CLEAN, other), images, tmp_path, Settings())
    assert [row.claim for row in found.rows] == [PGD, CLEAN, other]
    assert found.rows[1].report == found.rows[2].report
    assert len(list(tmp_path.iterdir())) == 2


def test_a_second_time_goes_on_from_the_journals(images: ImageSet, tmp_path: Path) -> None:
    journals, said = tmp_path / "journals", list[str]()
    journals.mkdir()
    settings = Settings(journal=journals, on_message=said.append)
    first = reproduce(digits(PGD), images, tmp_path / "out", settings)
    assert said == []
    again = reproduce(digits(PGD), images, tmp_path / "out", settings)
    assert again == first
    assert len(said) == 1
    assert said[0].startswith("all 24 verdicts known from")


def test_other_pictures_decide_nothing(images: ImageSet, tmp_path: Path) -> None:
    model = digits(CLEAN, dataset="imagenet")
    (row,) = reproduce(model, images, tmp_path, Settings()).rows
    assert row.verdict == "other pictures"
    assert row.why == "the claim is about imagenet, not about digits"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"run_as": None, "note": "step size?"}, "does not state the whole protocol (step size?)"),
        ({"threat": None}, "the source states no radius of the ball"),
        ({"run_as": None, "protocol": "MIM-20"}, "MIM-20 is no protocol that is known here"),
    ],
)
def test_a_claim_that_cannot_be_measured_is_listed_with_the_reason(
    change: dict[str, str | None], reason: str
) -> None:
    odd = PGD.model_copy(update=change)
    runs, (missing,) = measurements(digits(CLEAN, odd).card)
    assert [run.protocol for run in runs] == ["clean"]
    assert missing.claim == odd
    assert reason in missing.reason


def test_without_a_number_to_measure_it_says_what_to_do_instead() -> None:
    with pytest.raises(UsageError, match="digits has no published number; measure the model with"):
        measurements(digits().card)
    odd = PGD.model_copy(update={"run_as": None})
    with pytest.raises(UsageError, match="only numbers that cannot be run again: the source does"):
        measurements(digits(odd).card)


def test_a_folder_that_cannot_be_made_is_refused(images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="file cannot be made a folder"):
        reproduce(digits(CLEAN), images, tmp_path / "file", Settings())


@pytest.mark.parametrize(
    ("claimed", "correct", "n", "verdict", "why"),
    [
        (0.419, 20_900, 50_000, "holds", "the claim lies in an interval of ± 0.4 points"),
        (0.419, 21_500, 50_000, "differs", "measured +1.1 points from the claim"),
        (0.419, 420, 1000, "cannot tell", "± 3.1 points; about 9,352 images make it ± 1"),
        (0.697, 0, 20, "differs", "measured -69.7 points from the claim"),
    ],
)
def test_the_verdict_follows_from_the_interval(
    claimed: float, correct: int, n: int, verdict: str, why: str
) -> None:
    assert judge(claimed, Accuracy.of(correct, n)) == (verdict, why)


@given(st.floats(0, 1), st.integers(1, 60_000), st.data())
def test_differs_is_outside_and_holds_is_narrow(
    claimed: float, n: int, data: st.DataObject
) -> None:
    measured = Accuracy.of(data.draw(st.integers(0, n)), n)
    low, high = measured.ci95
    verdict = judge(claimed, measured)[0]
    assert (verdict == "differs") == (not low <= claimed <= high)
    assert verdict != "holds" or high - low <= 0.02


@pytest.mark.parametrize(
    "name", [n for n in zoo.list_models() if registry.card(n).official and registry.card(n).claims]
)
def test_every_number_of_the_readme_can_be_measured(name: str) -> None:
    info = registry.card(name)
    runs, not_run = measurements(info)
    assert all(missing.claim.protocol == "pgd-200" for missing in not_run)
    known = {claim for run in runs for claim in run.claims}
    assert {claim for claim in info.claims if claim.source.startswith("README")} <= known
    for run in runs:
        for claim in run.claims:
            assert run.protocol.replace("sat-", "").removesuffix("@1") == claim.protocol
            assert claim.protocol == "clean" or (run.norm, run.eps) == ("Linf", "4/255")


@pytest.mark.parametrize("protocol", ["pgd-20", "autoattack", "fgsm"])
def test_no_claim_under_an_attack_is_measured_without_one(protocol: str) -> None:
    claim = Claim(accuracy=0.5, protocol=protocol, threat=BALL, source="a table", run_as="clean")
    runs, not_run = measurements(digits(CLEAN, claim).card)
    assert [run.protocol for run in runs] == ["clean"]
    assert [it.reason for it in not_run] == [f"clean attacks nothing and cannot measure {protocol}"]


@pytest.mark.parametrize("claimed", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("run_as", ["pgd-sat-2@1", "pgd-2"])
def test_a_claim_that_is_decided_early_has_the_verdict_of_the_whole_run(
    tmp_path: Path, claimed: float, run_as: str
) -> None:
    images = open_data("digits").take(120)
    model = digits(PGD.model_copy(update={"accuracy": claimed, "run_as": run_as}))
    (whole,) = reproduce(model, images, tmp_path / "whole", Settings(batch_size=8)).rows
    settings = Settings(batch_size=8, until="decided")
    (early,) = reproduce(model, images, tmp_path / "early", settings).rows
    assert early.verdict == whole.verdict
    assert early.counts == whole.counts
    if claimed < 0.9:
        assert early.measured.estimated
        assert early.why.startswith("decided early: the whole run would find ")
        assert Report.read(Path(early.report)).estimate is not None


def test_a_run_that_ends_by_its_width_does_not_decide_what_is_open(tmp_path: Path) -> None:
    images = open_data("digits").take(120)
    model = digits(PGD.model_copy(update={"accuracy": 0.85, "run_as": "pgd-2"}))
    (early,) = reproduce(model, images, tmp_path, Settings(batch_size=8, until=30)).rows
    assert early.measured.estimated
    assert early.verdict == "cannot tell"
    assert "its verdict is not decided" in early.why


@pytest.mark.parametrize(
    ("claimed", "low", "high", "n", "verdict"),
    [
        (0.1, 400, 600, 1000, "differs"),
        (0.9, 400, 600, 1000, "differs"),
        (0.5, 300, 700, 1000, None),  # differs at both ends, and not in between
        (0.5, 490, 510, 1000, "cannot tell"),
        (0.5, 49_900, 50_100, 100_000, "holds"),
        (0.5, 480, 600, 1000, None),
    ],
)
def test_a_verdict_is_decided_where_every_number_that_is_left_comes_to_it(
    claimed: float, low: int, high: int, n: int, verdict: str | None
) -> None:
    assert decided(claimed, low, high, n) == verdict
