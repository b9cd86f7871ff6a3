"""The published numbers: they agree with where they were taken from, and traps stay apart."""

import html
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from eval.errors import ReportError
from leaderboard.boards import leaderboard
from leaderboard.published import BASELINES, Published, published, read_baselines

ENTRIES = published()
BY_ID = {(e.dataset, e.norm, e.id): e for e in ENTRIES}


def share(text: str | None) -> float | None:
    return float(Decimal(text) / 100) if text else None


def facts(shared: Path, name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((shared / "facts" / name).read_text("utf-8"))
    return loaded


def test_every_robustbench_number_is_the_one_of_its_file(shared: Path) -> None:
    rows = facts(shared, "baselines.json")
    assert len(rows) == 188
    for row in rows:
        entry = BY_ID[row["dataset"], row["norm"], row["id"]]
        assert (entry.clean, entry.robust, entry.reported, entry.best_known) == tuple(
            share(row[key]) for key in ("clean_acc", "autoattack_acc", "reported", "external")
        )
        assert (entry.eps, entry.subset) == (row["eps"], row["subset"])
        assert (entry.extra_data, entry.unreliable) == (row["additional_data"], row["unreliable"])
        assert entry.title == " ".join(row["name"].split())
        assert (entry.kind, entry.protocol) == ("third-party", "autoattack")
        assert row["source"]["commit"].startswith(entry.source.rsplit(" ", 1)[1])


def test_every_number_of_a_paper_is_there_once_unless_a_card_has_it(shared: Path) -> None:
    rows = facts(shared, "baselines_extra.json")
    ours = [row for row in rows if row["id"].startswith("Xie2020SAT_")]
    assert (len(rows), len(ours)) == (100, 10)
    for row in rows:
        entry = BY_ID.get((row["dataset"], row["norm"], row["id"]))
        if row in ours:
            assert entry is None, "the release's own numbers stand on the cards"
            continue
        assert entry is not None
        assert (entry.clean, entry.robust) == (share(row["clean_acc"]), share(row["reported"]))
        assert (entry.eps, entry.subset) == (row["eps"] or "not stated", row["subset"])
        is_same_attack = entry.protocol == row["protocol"]
        assert is_same_attack or row["protocol"].startswith("untargeted strong white-box")
    assert len(ENTRIES) == 188 + 90


def test_text_is_plain_and_links_are_links() -> None:
    for entry in ENTRIES:
        for text in (entry.note, entry.title, entry.authors, entry.architecture, entry.venue):
            if text is not None:
                assert text == " ".join(text.split())
                assert not re.search(r"<[a-z/]|\\\(|&\w+;", text)
                assert html.unescape(text) == text
        assert entry.link.startswith(("https://", "http://"))


def test_what_no_entry_says_is_not_invented() -> None:
    assert BY_ID["imagenet", "Linf", "Qin2019LLR_imagenet"].clean is None
    assert BY_ID["imagenet", "Linf", "Salman2020Do_R50"].reported is None
    assert BY_ID["cifar10", "Linf", "Madry2018Towards"].activation is None
    assert BY_ID["cifar100", "Linf", "Hendrycks2019Using"].dataset == "cifar100"
    swish = BY_ID["cifar10", "Linf", "Gowal2020Uncovering_70_16"]
    assert (swish.activation, swish.activation_source) == (
        "SiLU",
        "RobustBench's model-zoo code at 78fcc9e",
    )


def test_the_best_known_value_is_the_smaller_of_the_two() -> None:
    found = {
        (board.dataset, row.published.id): row.third_party["autoattack"].believed.accuracy
        for board in leaderboard().boards
        for row in (*board.rows, *board.excluded)
        if row.published and "autoattack" in row.third_party and board.norm == "Linf"
    }
    assert found["cifar10", "Kang2021Stable"] == 0.6420
    assert found["cifar10", "Wong2020Fast"] == 0.4321
    assert found["imagenet", "Amini2024MeanSparse_Swin-L"] == 0.5892


def test_undefended_models_are_excluded_with_the_reason() -> None:
    excluded = {(e.dataset, e.norm, e.id): e.excluded for e in ENTRIES if e.excluded}
    assert set(excluded) == {
        ("cifar10", "Linf", "Standard"),
        ("cifar10", "L2", "Standard"),
        ("imagenet", "Linf", "Standard_R50"),
    }
    assert set(excluded.values()) == {"undefended model: not a baseline to beat"}


def test_numbers_that_others_measured_are_not_the_claims_of_authors() -> None:
    quoted = {e.id for e in ENTRIES if e.kind == "third-party" and "RobustBench" not in e.source}
    assert quoted == {
        "Rice2020Overfitting_WRN-34-20_in_Pang2020Bag",
        "Shafahi2019Free_in_Wong2020_eps2",
    }


ROW: dict[str, Any] = {
    "id": "A",
    "model": "A",
    "title": "T",
    "link": "https://example.org/a",
    "dataset": "cifar10",
    "norm": "Linf",
    "eps": "8/255",
    "protocol": "autoattack",
    "kind": "claimed",
    "source": "s",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"link": "javascript:alert(1)"}, "rows.0.link: String should match pattern"),
        ({"link": 'https://e.org/"onload="x'}, "rows.0.link: String should match pattern"),
        ({"robust": 66.58}, "rows.0.robust: Input should be less than or equal to 1"),
        ({"norm": "L1"}, "rows.0.norm: Input should be 'Linf' or 'L2'"),
        ({"surprise": 1}, "rows.0.surprise: Extra inputs are not permitted"),
    ],
)
def test_an_entry_that_breaks_the_schema_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "b.json"
    content = {"schema": "sat-zoo/baselines@1", "about": "", "rows": [ROW | change]}
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match=re.escape(f"baselines {path} are invalid: {message}")):
        read_baselines(path)


def test_an_id_that_stands_twice_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    content = {"schema": "sat-zoo/baselines@1", "about": "", "rows": [ROW, ROW]}
    path.write_text(json.dumps(content))
    with pytest.raises(ReportError, match="the id 'A' stands twice among cifar10 Linf"):
        read_baselines(path)
    with pytest.raises(ReportError, match="cannot be read: No such file"):
        read_baselines(tmp_path / "none.json")


def test_every_file_of_the_folder_is_read() -> None:
    assert len(list(BASELINES.glob("*.json"))) == 6
    assert all(isinstance(entry, Published) for entry in ENTRIES)


@pytest.mark.parametrize(
    ("venue", "link", "year"),
    [
        ("NeurIPS 2023", "https://arxiv.org/abs/2111.02331", 2023),
        ("arXiv, Mar 2021", "https://arxiv.org/abs/2103.01946", 2021),
        ("IEEE SaTML", "https://arxiv.org/abs/2209.07399", 2022),
        (None, "https://arxiv.org/abs/2302.14301v2", 2023),
        (None, "https://github.com/MadryLab/robustness", None),
        ("N/A", "https://openreview.net/forum?id=2019", None),
    ],
)
def test_the_year_is_of_the_venue_else_of_the_preprint_else_unknown(
    venue: str | None, link: str, year: int | None
) -> None:
    assert Published.model_validate(ROW | {"venue": venue, "link": link}).year == year
