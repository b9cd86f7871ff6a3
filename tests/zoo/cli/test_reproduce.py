import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eval.report.report import Report
from zoo import registry
from zoo.cards import Claim, ThreatSpec
from zoo.cli.reproduce import command
from zoo.reproduce import Reproduction

DIGITS = "resnet8-silu-sat-digits"
BALL = ThreatSpec(norm="Linf", eps="3/16")
CLAIMS = (
    Claim(accuracy=0.99, protocol="clean", source="a table"),
    Claim(accuracy=0.05, protocol="pgd-2", threat=BALL, source="a table", run_as="pgd-sat-2@1"),
    Claim(accuracy=0.5, protocol="pgd-200", threat=BALL, source="a table", note="step [unknown]"),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command where the digits model has published numbers."""
    cards = dict(registry._cards())
    cards[DIGITS] = cards[DIGITS].model_copy(update={"claims": CLAIMS})
    monkeypatch.setattr(registry, "_cards", lambda: cards)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.argv", ["sat-zoo", "reproduce", DIGITS])

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(command, [*arguments])

    return run


def test_the_table_sets_claims_beside_measurements(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    done = run(DIGITS, "--n", "24")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "on 24 images of digits (test)" in lines[0]
    clean, attacked, missing = lines[2:5]
    assert "99.0 %" in clean
    assert "cannot tell: ±" in clean
    assert "pgd-sat-2@1" in attacked
    assert "differs: measured +" in attacked
    assert "not run: the source does not state the whole protocol (step [unknown])" in missing
    folder = tmp_path / "home" / "reproductions" / DIGITS
    assert f"reports are in {folder}" in lines[-1]
    assert len(list(folder.iterdir())) == 2


def test_json_is_the_whole_of_it_and_the_reports_lie_in_out(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    done = run(DIGITS, "--n", "8", "--json", "--out", str(tmp_path / "out"))
    found = Reproduction.model_validate_json(done.stdout)
    assert (found.model, found.data, found.n) == (DIGITS, "digits", 8)
    assert [row.claim for row in found.rows] == list(CLAIMS[:2])
    assert [missing.claim for missing in found.not_run] == list(CLAIMS[2:])
    assert json.loads(done.stdout)["schema"] == "sat-zoo/reproduction@1"
    report = Report.read(Path(found.rows[1].report))
    assert report.command == f"sat-zoo reproduce {DIGITS}"
    assert Path(found.rows[1].report).parent == tmp_path / "out"


def test_the_same_command_goes_on_from_its_journals(run: Callable[..., Result]) -> None:
    first = run(DIGITS, "--n", "8")
    again = run(DIGITS, "--n", "8")
    assert "all 8 verdicts known" in again.stderr
    assert again.stdout == first.stdout
    assert "verdicts known" not in run(DIGITS, "--n", "8", "--fresh").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet8-relu-at-digits"], "no published number; measure the model with: sat-zoo eval"),
        (["nothing"], "unknown model 'nothing'"),
        ([DIGITS, "--weights", "no.safetensors"], "no.safetensors is not a file"),
        (["resnet50-silu-sat", "--data-dir", "no-such-folder"], "no-such-folder"),
        (["resnet50-silu-sat", "--data", "digits"], "its labels mean other classes"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    run: Callable[..., Result], arguments: list[str], message: str
) -> None:
    assert message in str(run(*arguments).exception)
