"""What a notebook shows: the terminal's words, as HTML that nobody's text can break out of."""

import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from torch import nn

from eval import Curve, Report, curve, evaluate
from eval.arguments import as_options
from eval.data import ImageSet
from eval.report.report import Flag
from eval.report.summary import findings, heading, stage_rows
from zoo.cli.shared import curve_table, output

ROOT = Path(__file__).resolve().parents[3]
REPORTS = sorted((ROOT / "leaderboard/results").glob("*digits*.json"))
CURVES = sorted((ROOT / "eval/curve_results").glob("*.json"))

NASTY = '<script>alert("x")</script>&<img src=x onerror=y>\u202e\n</div>\'"'
TAGS = {"div", "b", "table", "thead", "tbody", "tr", "th", "td"}


class Checked(HTMLParser):
    """Whether tags are known and closed, and the text that is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= {"style"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(found: Report | Curve) -> str:
    """The text of its HTML, which needs nothing of anywhere else and has no colours of text."""
    text = found._repr_html_()
    for word in ("http", "url(", "<script", "<style", "class=", "color:#", "background:#"):
        assert word not in text
    return Checked(text).text


def screen(monkeypatch: pytest.MonkeyPatch, show: Callable[[], None]) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=1000, color_system=None)
    for module in (output, curve_table):
        monkeypatch.setattr(module, "stdout", lambda: console)
    show()
    return " ".join(stream.getvalue().split())


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_report_says_in_html_what_it_says_on_a_terminal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report.read(path)
    seen = screen(monkeypatch, lambda: output.print_report(report, None))
    shown = words(read(report))
    for line in [heading(report), *(f"{one.label} {one.text}" for one in findings(report))]:
        assert words(line) in seen
        assert words(line) in shown
    for row in stage_rows(report):
        assert words(" ".join(row)) in seen
        assert "".join(row) in shown
    assert all(f"flag {flag.code}:" in shown for flag in report.flags)


@pytest.mark.parametrize("path", CURVES, ids=lambda path: path.stem)
def test_a_curve_says_in_html_what_it_says_on_a_terminal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Curve.read(path)
    seen = screen(monkeypatch, lambda: curve_table.print_curve(found, ()))
    shown = read(found)
    from eval.curves import summary

    for i, series in enumerate(found.series):
        prefix = summary.prefix_of(found, i)
        said = (f"{series.model.name}{summary.heading(found, series)}", summary.check_said(series))
        for line in said:
            assert words(prefix + line) in seen
            assert prefix + line in shown
    for row in summary.point_rows(found):
        assert words(" ".join(row)) in seen
        assert "".join(row) in shown
    assert all(head in shown for head in summary.point_columns(found))


def test_an_estimate_is_shown_as_one(tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch) -> None:
    report = evaluate(tiny_net, tiny_data, attack="pgd-5", eps="1/20", until=lambda _: True)
    assert report.estimate is not None
    seen = screen(monkeypatch, lambda: output.print_report(report, None))
    shown = words(read(report))
    *told, go_on = findings(report)
    for one in told:
        assert words(f"{one.label} {one.text}") in seen
        assert words(one.text) in shown
    assert "estimated" in shown
    assert "without `until` and `budget`" in go_on.text
    assert words(go_on.text) in shown
    on_command = report.model_copy(update={"command": "sat-zoo eval NAME --until=2"})
    seen = screen(monkeypatch, lambda: output.print_report(on_command, None))
    assert words(as_options(findings(on_command)[-1].text)) in seen


def test_a_report_without_an_attack_has_no_robust_number(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    shown = read(evaluate(tiny_net, tiny_data, attack="clean"))
    assert "nothing was attacked" in shown
    assert "robust accuracy" not in shown


def test_nobodys_text_is_more_than_text(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = evaluate(tiny_net, tiny_data.take(4), attack="fgsm", eps="1/20", name="net")
    flags = (Flag(code="images-interact", detail=NASTY),)
    parts = {
        "model": report.model.model_copy(update={"name": NASTY}),
        "data": report.data.model_copy(update={"name": NASTY, "split": NASTY}),
        "stages": tuple(one.model_copy(update={"name": NASTY}) for one in report.stages),
        "protocol": report.protocol.model_copy(update={"name": NASTY}),
        "flags": flags,
    }
    shown = read(report.model_copy(update=parts))
    assert shown.count('<script>alert("x")</script>') == 6
    assert "\u202e" not in shown
    drawn = curve(tiny_net, tiny_data.take(4), eps="1/255", attack="fgsm", check=False)
    (series,) = drawn.series
    nasty = series.model_copy(update={"model": parts["model"], "flags": flags})
    assert '<script>alert("x")</script>' in read(drawn.model_copy(update={"series": (nasty,)}))


def test_a_notebook_finds_the_html() -> None:
    formatters = pytest.importorskip("IPython.core.formatters")
    for found in (Report.read(REPORTS[0]), Curve.read(CURVES[0])):
        data, _ = formatters.DisplayFormatter().format(found)
        assert data["text/html"] == found._repr_html_()
        assert data["text/plain"] == repr(found)
