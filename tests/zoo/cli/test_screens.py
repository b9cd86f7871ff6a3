"""Every table of the command line in a real terminal of 80 columns and 24 lines."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REPORT = "resnet8-silu-sat-digits.autoattack"
LONGEST = "resnet18-w16-parametric-softplus-sat-cifar10"
COMMANDS = {
    "list": ["list"],
    "list of one data set": ["list", "--data", "digits"],
    "available": ["list", "--available"],
    "show": ["show", "resnet50-silu-sat"],
    "tables": ["leaderboard", "show"],
    "imagenet": ["leaderboard", "show", "imagenet", "--all"],
    "digits": ["leaderboard", "show", "digits"],
    "compare": ["compare", REPORT, REPORT.replace("silu-sat", "relu-at")],
    "pull": ["pull", "resnet8-*"],
    "curve help": ["curve", "--help"],
    "list help": ["list", "--help"],
}
# Tables that come out of a long run are printed of what was committed or is made here.
_CODE = """
import json, sys
from pathlib import Path
from zoo.cli import cli

def printed(name, function):
    sys.stdout.write(f"\\n@@{name}\\n")
    sys.stdout.flush()
    function()
    sys.stdout.flush()

for name, args in json.loads(sys.argv[1]).items():
    printed(name, lambda: cli.main(args, standalone_mode=False))

from eval import Report
from eval.curves.curve import Curve
from eval.report.parts import Accuracy
from zoo.cards import Claim
from zoo.cli.reproduce import _print
from zoo.cli.shared.curve_table import print_curve
from zoo.cli.shared.doctor_page import print_page
from zoo.cli.shared.output import print_report
from zoo.doctor.findings import Line, Section
from types import SimpleNamespace as Fake

printed("eval", lambda: print_report(Report.read(Path(sys.argv[2])), Path("report.json")))
for name in ("digits-eps", "digits-steps"):
    curve = Curve.model_validate_json(Path(f"eval/curve_results/{name}.json").read_text())
    printed(name, lambda: print_curve(curve, [Path("curve.json")]))
claim = Claim(accuracy=0.697, protocol="pgd-200", source="somebody")
row = Fake(claim=claim, protocol="pgd-sat-200@1", counts="last iterates", verdict="other pictures",
    why="the claim is about imagenet, not about folder", measured=Accuracy.of(3, 12))
missing = Fake(claim=claim, reason="its source states neither the step size nor the start")
found = Fake(model="resnet50-silu-sat", weights_source="store", weights_sha256="5" * 64, n=12,
    data="folder", split="all", rows=[row], not_run=[missing], remarks=[], flags=[])
printed("reproduce", lambda: _print(found, Path("reports")))
name = "resnet18-w16-silu-sat-cifar10"
lines = [Line(name=name, mark="ok", says="bundled, 2.8 MB, as promised"),
    Line(name="bf16", mark="broken", says="announced, and 0.8 times as fast as fp32", fix="wait")]
weights = Section(title="weights", lines=tuple(lines))
page = Fake(sections=[weights], default_job=Fake(can_run=False))
from zoo.cli.shared.console import stdout
printed("doctor", lambda: print_page(page, stdout()))
"""


def in_terminal(arguments: list[str], home: Path, *, columns: int = 80) -> str:
    """What a process writes on a pseudo-terminal of that size; its lines end with \\n."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES", "FORCE_COLOR"}}
    env = {**kept, "TERM": "xterm", "SAT_ZOO_HOME": str(home)}
    process = subprocess.Popen(
        arguments, cwd=ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode().replace("\r\n", "\n"))
    assert process.wait() == 0, text
    return text


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """All screens by name, of one process: imports are what takes time."""
    report = ROOT / "leaderboard" / "results" / f"{REPORT}.json"
    arguments = [sys.executable, "-c", _CODE, json.dumps(COMMANDS), str(report)]
    text = in_terminal(arguments, tmp_path_factory.mktemp("home"))
    parts = [part.partition("\n") for part in text.split("\n@@")[1:]]
    return {name: screen for name, _, screen in parts}


NAMES = [*COMMANDS, "eval", "digits-eps", "digits-steps", "reproduce", "doctor"]


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_longer_than_the_terminal(screens: Mapping[str, str], name: str) -> None:
    assert len(screens[name].splitlines()) > 3
    for line in screens[name].splitlines():
        assert len(line) <= 80, line
        assert "…" not in line, "nothing is shortened"


def test_every_model_of_the_list_is_named_whole_with_its_numbers(
    screens: Mapping[str, str],
) -> None:
    head, *lines = screens["list"].splitlines()
    assert head.split() == ["model", "clean", "robust", "weights"]
    rows = [line.split() for line in lines]
    assert ["resnet50-silu-sat", "69.7*", "42.3*", "PGD-200", "official"] in rows
    assert [LONGEST, "67.5~", "41.7~", "PGD-50", "bundled"] in rows
    said = " ".join(" ".join(row) for row in rows)
    left = "data, threat, activation, parameters, input"
    assert f"5 columns left out: {left}; --wide shows them" in said
    assert "* claimed, not measured by us" in said


def test_heads_take_two_lines_at_most_and_say_whole_words(screens: Mapping[str, str]) -> None:
    title, above, head, first, *rest = screens["digits"].splitlines()
    assert title == "digits, Linf eps 3/16, all 360 images"
    assert above.split() == ["robust", "measured"]
    assert head.split() == ["rank", "model", "(best", "known)", "clean"]
    assert first.split()[:3] == ["1-6", "!", "resnet8-silu-sat-digits"]
    assert any(line.startswith("! resnet8-silu-sat-digits: ") for line in rest), "flags in words"


def test_the_tables_that_fit_leave_nothing_out(screens: Mapping[str, str]) -> None:
    for name in ("eval", "compare", "digits-steps", "show", "doctor", "pull"):
        assert "left out" not in screens[name], name
    assert "verdict" in screens["reproduce"]
    assert "2 columns left out: run as, counts; --wide shows them" in screens["reproduce"]


def test_a_wide_terminal_and_a_narrow_one(tmp_path: Path) -> None:
    code = "from zoo.cli import cli; cli.main(['list', '*digits'], standalone_mode=False)"
    whole = in_terminal([sys.executable, "-c", code], tmp_path, columns=200)
    assert "left out" not in whole
    narrow = in_terminal([sys.executable, "-c", code], tmp_path, columns=42)
    assert all(len(line) <= 42 for line in narrow.splitlines())
    assert "resnet8-relu-smooth-optimizer-at-digits" in narrow
