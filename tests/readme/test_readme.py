"""README.md: short, whole, and its Python runs. Its commands: `test_commands.py`."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from eval import Report
from eval.protocols import protocol
from eval.report.percent import percent, percent_range, signed_points
from leaderboard.boards import boards
from leaderboard.compare import compare
from leaderboard.seeds import gains_over_seeds

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
RESULTS = ROOT / "leaderboard" / "results"
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.split()) <= 1200


def test_nothing_was_left_to_fill_in() -> None:
    assert "@@" not in README


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", README)
    assert len(links) > 10
    for link in links:
        path, _, anchor = link.partition("#")
        if path.startswith("https://"):
            continue
        text = (ROOT / path).read_text("utf-8")
        heads = re.findall(r"(?m)^#+ (.+)$", text.lower())
        anchors = {re.sub(r"[^\w\- ]", "", head).replace(" ", "-") for head in heads}
        assert not anchor or anchor in anchors, link


def test_a_model_of_the_users_is_measured_as_it_says(
    tiny_net: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine,) = (block for block in PYTHON if "evaluate(net, (x, y)" in block)
    x = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    y = tiny_net(x).argmax(1)
    for images, labels in ((x, y), (x.numpy(), y.numpy()), (x.tolist(), y.tolist())):
        names = {"net": tiny_net, "x": images, "y": labels}
        shorter = mine.replace('attack="autoattack"', 'attack="fgsm"')
        assert shorter != mine
        exec(compile(shorter, "README.md", "exec"), names)
        assert re.search(r"robust.*\d", capsys.readouterr().out)


def test_every_other_python_example_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in PYTHON if "evaluate(net, (x, y)" not in block)
    exec(compile(block, "README.md", "exec"), {})
    assert re.match(r"0\.\d+ \(0\.\d+, 0\.\d+\)", capsys.readouterr().out)


def test_its_results_are_those_of_the_committed_reports() -> None:
    rows = re.findall(r"(?m)^\| `([a-z0-9-]+)` \| (.+) \| (.+) \| (.+) \|$", README)
    assert len(rows) >= 4
    for name, *shown in rows:
        stored = [Report.read(path) for path in RESULTS.glob(f"{name}.*.json")]
        assert shown == [_cell(stored, attack) for attack in ("clean", "pgd-50", "autoattack")]


def _cell(stored: list[Report], attack: str) -> str:
    report = _best(stored, attack)
    share = report.robust or report.clean
    return f"{percent(share.accuracy)} ({percent_range(*share.ci95)})"


def _best(stored: list[Report], attack: str) -> Report:
    """Of the Report on most images by our own engine; of equal ones the newest."""
    wanted = protocol(attack).name
    mine = [one for one in stored if one.protocol.name == wanted and one.engine.name == "fast"]
    return max(mine, key=lambda one: (one.data.n, one.created))


def test_its_differences_are_those_of_the_comparison() -> None:
    said = " ".join(README.split())
    silu, relu = (
        _best([Report.read(path) for path in RESULTS.glob(f"{name}.*.json")], "autoattack")
        for name in ("resnet18-w16-silu-sat-cifar10", "resnet18-w16-relu-at-cifar10")
    )
    found = compare(silu, relu).robust
    assert found is not None
    low, high = map(signed_points, found.interval())
    assert f"({signed_points(found.difference)} points, {low} to {high})" in said
    (gain,) = (
        one
        for one in gains_over_seeds(boards())
        if (one.board, one.protocol) == ("cifar10-jpeg-linf-8-255-full", "pgd-50")
    )
    low, high = map(signed_points, (gain.low, gain.high))
    runs = {len(some.accuracies) for some in (gain.model, gain.twin)}
    assert runs == {3}
    assert f"by {percent(gain.difference)} points ({low} to {high}, over three training" in said
