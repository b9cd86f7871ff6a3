"""Numbers in documents come from the committed Reports."""

import re
from pathlib import Path

import pytest

import zoo
from eval import Report

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / "leaderboard" / "results").glob("*.json"))
DIGITS = {
    (report.model.name, report.protocol.name, report.engine.name): report
    for report in map(Report.read, RESULTS)
    if report.data.name == "digits"
}
MODELS = ("resnet8-silu-sat-digits", "resnet8-relu-at-digits")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_every_committed_report_is_whole_and_of_a_known_model(path: Path) -> None:
    report = Report.read(path)
    assert path.name.startswith(f"{report.model.name}.")
    assert report.command.startswith(f"sat-zoo eval {report.model.name} ")
    assert zoo.card(report.model.name).parameters == report.model.parameters
    # A flag may stand in a committed report, but a new kind of one is looked at first.
    assert {flag.code for flag in report.flags} <= {"square-breaks", "upper-bound"}


@pytest.mark.parametrize("model", MODELS)
def test_autoattack_is_not_weaker_than_pgd(model: str) -> None:
    pgd = DIGITS[model, "pgd-50", "fast"].robust.correct
    for engine in ("fast", "reference"):
        assert DIGITS[model, "autoattack-standard@1", engine].robust.correct <= pgd


@pytest.mark.parametrize("document", ["README.md", "zoo/families/digits/README.md"])
@pytest.mark.parametrize("model", MODELS)
def test_documents_quote_the_reports(document: str, model: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{model}`"))
    wanted = []
    for protocol in ("clean", "pgd-50", "autoattack-standard@1"):
        report = DIGITS[model, protocol, "fast"]
        share = report.robust or report.clean
        low, high = (100 * bound for bound in share.ci95)
        wanted.append(f"{100 * share.accuracy:.1f} ({low:.1f} to {high:.1f})")
    assert re.findall(r"\d+\.\d \(\d+\.\d to \d+\.\d\)", row) == wanted
