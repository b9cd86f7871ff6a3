"""The built pages: numbers from the Reports, escaped names, empty results, galleries."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from eval.adversarial import AdversarialImages, Origin
from eval.data import open_data
from eval.errors import ReportError
from eval.report.report import Report
from leaderboard.boards import RESULTS, Leaderboard, leaderboard
from leaderboard.citing import copies
from leaderboard.cli.build import command
from leaderboard.columns import Column
from leaderboard.numbers import Claimed, Number
from leaderboard.rows import BoardRow
from leaderboard.site import builder, gallery
from leaderboard.site.boardrows import architecture_family
from leaderboard.site.boardview import board_data, number_columns
from leaderboard.twins import twins
from tests.browser.fakes import BREAKOUT, HOSTILE, SCRIPT, board, whole
from tests.leaderboard.conftest import sha
from tests.leaderboard.light import with_few_published, without_drawings

SILU = "digits-linf-3-16-full-resnet8-silu-sat-digits"


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the libraries, which need no test here and seconds to bundle."""
    without_drawings(monkeypatch)


@pytest.fixture(scope="module")
def digits() -> Leaderboard:
    found = leaderboard()
    return Leaderboard(tuple(it for it in found.boards if it.dataset == "digits"), found.refused)


def page_data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])


def test_board_and_model_pages_say_what_the_reports_say(digits: Leaderboard) -> None:
    pages = builder.site(digits, twins(digits.boards))
    report = Report.read(RESULTS / "resnet8-silu-sat-digits.autoattack.json")
    low, high = (100 * end for end in report.robust.ci95)
    cell = f"{100 * report.robust.accuracy:.1f}<small>{low:.1f} to {high:.1f}</small>"
    assert cell in pages["boards/digits-linf-3-16-full.html"]
    model = pages[f"models/{SILU}.html"]
    for text in (report.command, report.model.weights_sha256, report.flags[0].detail):
        assert text in model
    for stage in report.stages:
        assert f"{100 * stage.accuracy_after:.1f} per cent still right after {stage.name}" in model


def test_what_scripts_sort_and_draw_are_the_reports_numbers(digits: Leaderboard) -> None:
    page = builder.site(digits, ())["boards/digits-linf-3-16-full.html"]
    places = number_columns(digits.boards[0])
    own = places.index(Column("measured", "autoattack-standard@1"))
    clean = places.index(Column("measured", "clean"))
    reports = [Report.read(path) for path in RESULTS.glob("*.autoattack.json")]
    wanted = {
        (round(100 * it.accuracy, 2), *(round(100 * end, 2) for end in it.ci95))
        for report in reports
        for it in (report.clean, report.robust)
        if report.data.name == "digits" and it is not None
    }
    rows = [row["numbers"] for row in page_data(page)["rows"]]
    assert {tuple(row[place][:3]) for row in rows for place in (own, clean)} == wanted


def test_best_known_and_attack_have_numbers_and_intervals_of_their_own() -> None:
    claim = Claimed(0.75, 1000, source="a", best_known=Number(0.70, 1000))
    row = BoardRow("a", "a", "a", third_party={"autoattack": claim})
    found = board_data(
        type(board(0))("cifar10", "Linf", "8/255", "full", "all", "key", (row,), (), None)
    )
    assert found["rows"][0]["numbers"] == [[70, 67.09, 72.76], [75, 72.22, 77.58]]


def test_texts_to_copy_are_whole_again(digits: Leaderboard) -> None:
    for table in (digits.boards[0], board(20)):
        data = board_data(table)
        for row, entry in zip(table.rows, data["rows"], strict=True):
            wanted = {it.key: it.text for it in copies(table, row)}
            found = {} if "paper" not in entry else {"bibtex": data["papers"][entry["paper"]][1]}
            for kind, (start, end), rest in zip(
                data["kinds"], data["around"], entry["copy"], strict=True
            ):
                if rest is not None:
                    found[kind] = start + rest + end
            assert found == wanted


def test_every_board_is_there_as_csv_and_json(digits: Leaderboard) -> None:
    pages = builder.site(Leaderboard((*digits.boards, board(3)), ()), ())
    for table in (*digits.boards, board(3)):
        lines = list(csv.DictReader(io.StringIO(pages[f"boards/{table.key}.csv"])))
        models = {row.model for row in (*table.rows, *table.excluded)}
        content = json.loads(pages[f"boards/{table.key}.json"])
        assert [it["key"] for it in content["boards"]] == [table.key]
        assert {row["model"] for row in content["boards"][0]["rows"]} <= models
        assert len({line["model"] for line in lines}) == len(
            {row.model for row in (*table.rows, *table.excluded) if row.numbers}
        )


def test_no_hostile_name_stands_unescaped_anywhere() -> None:
    for name, text in builder.site(whole(20), ()).items():
        if name.endswith(".html"):
            shown = re.sub(r'(id="page-data">)[^<>]*', r"\1", text)  # data, which holds no tag
            for hostile in (SCRIPT, BREAKOUT, *HOSTILE):
                assert hostile not in shown, name


def test_the_pages_of_the_committed_results_are_light() -> None:
    found = leaderboard()
    pages = builder.site(found, ())
    sizes = {name: len(text.encode()) for name, text in pages.items() if name.endswith(".html")}
    assert len(sizes) > 300
    assert max(size for name, size in sizes.items() if name.startswith("models/")) < 30_000
    assert max(sizes.values()) < 200_000
    assert sum(sizes.values()) < 11_000 * len(sizes)


def test_what_pages_name_is_there_once() -> None:
    pages = builder.site(whole(3), ())
    named = set()
    for name, text in pages.items():
        if name.endswith(".html"):
            up = "../" * name.count("/")
            found = re.findall(r'(?:src|href)="([^"]*assets/[^"]*)"', text)
            assert {f"{up}assets/style.css", f"{up}assets/page.js"} <= set(found), name
            named |= {link.removeprefix(up) for link in found}
    assert named == {name for name in pages if name.startswith("assets/")}


def test_a_key_that_is_no_file_name_is_refused() -> None:
    evil = BoardRow("../../evil", "evil", "evil")
    found = Leaderboard((type(board(0))(**{**vars(board(0)), "rows": (evil,)}),), ())
    with pytest.raises(ReportError, match=r"'\.\./\.\./evil' cannot name a page"):
        builder.site(found, ())


def test_without_results_the_published_numbers_and_a_way_to_add_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_few_published(monkeypatch, every=4)
    (tmp_path / "none").mkdir()
    arguments = ["--results", str(tmp_path / "none"), "--only", "--out", str(tmp_path / "site")]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "0 Reports" in done.output
    index = (tmp_path / "site" / "index.html").read_text()
    assert "No result of ours is here yet" in index
    assert "sat-zoo leaderboard add report.json" in index
    assert "ImageNet, Linf 4/255" in index
    claims = (tmp_path / "site" / "claims.html").read_text()
    assert "None yet" in claims
    links = {
        (path.parent / link).resolve()
        for path in (tmp_path / "site").rglob("*.html")
        for link in re.findall(r'href="([^"#:]+)"', path.read_text())
    }
    assert [link for link in links if not link.is_file()] == [], "no link is dead"


def test_broken_results_are_named_and_do_not_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_few_published(monkeypatch, every=20)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "broken.json").write_text("{")
    arguments = ["--results", str(tmp_path / "results"), "--only", "--out", str(tmp_path / "site")]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "left out" in done.output
    assert "broken.json" in (tmp_path / "site" / "index.html").read_text()


def adversarial(path: Path, *, pixels: str = "", weights: str = "") -> Path:
    """Three digits whose every pixel moved up by eps, as far as [0, 1] allows.

    pixels, weights: other digests than those of the clean images and of the model.
    """
    report = Report.read(RESULTS / "resnet8-silu-sat-digits.pgd-50.json")
    if weights:
        model = report.model.model_copy(update={"weights_sha256": weights})
        report = report.model_copy(update={"model": model})
    images = report.images
    pairs = zip(images.ids, images.verdicts, strict=True)
    broken = tuple(image_id for image_id, verdict in pairs if verdict == "pgd-50")[:3]
    data = open_data("digits").select_ids(broken)
    origin = Origin.of(report, broken, pixels or data.pixels_sha256())
    x = torch.cat([batch.x for batch in data.batches(3)])
    AdversarialImages((x + 3 / 16).clamp(0, 1), origin, report).write(path)
    return path


def test_a_gallery_stands_on_the_page_of_its_model_alone(
    tmp_path: Path, digits: Leaderboard
) -> None:
    found = gallery.read_gallery(adversarial(tmp_path / "adv.safetensors"))
    assert found.amplified == "2.67"
    pages = builder.site(digits, (), [found])
    with_images = [name for name, text in pages.items() if "data:image/png;base64," in text]
    assert with_images == [f"models/{SILU}.html"]
    assert pages[with_images[0]].count("<img ") == 9


def test_a_change_at_the_edge_of_the_ball_is_white(tmp_path: Path) -> None:
    import base64
    from io import BytesIO

    from PIL import Image

    found = gallery.read_gallery(adversarial(tmp_path / "adv.safetensors"))
    png = base64.b64decode(found.items[0].change.split(",")[1])
    pixels = set(Image.open(BytesIO(png)).tobytes())
    assert max(pixels) == 255
    assert min(pixels) >= 127, "grey is no change; nothing moved down"


def test_images_of_other_pictures_or_of_no_report_are_refused(
    tmp_path: Path, digits: Leaderboard
) -> None:
    other = adversarial(tmp_path / "a.safetensors", pixels="0" * 64)
    with pytest.raises(ReportError.__base__, match="not those that were attacked"):
        gallery.read_gallery(other)
    path = adversarial(tmp_path / "b.safetensors", weights=sha("other weights"))
    arguments = ["--adversarial", str(path), "--out", str(tmp_path / "site")]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, ReportError)
    assert "no Report of those weights is among the results" in str(done.exception)
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("WideResNet-70-16", "WideResNet"),
        ("WRN-28-10", "WideResNet"),
        ("ResNet-50", "ResNet"),
        ("XCiT-S12", "XCiT"),
        (None, ""),
    ],
)
def test_architectures_are_filtered_by_family(name: str | None, family: str) -> None:
    assert architecture_family(name) == family
