"""What a Report may call its model, its data and its device: what a table can show as it is."""

from pathlib import Path

import pytest

from eval.errors import ReportError
from eval.report.report import Report
from leaderboard.results import read_report
from tests.leaderboard.forging import all_of, committed, forged, put

PGD = committed()

NAMES = {
    "escape": "a\x1b[2Jb",
    "carriage return": "a\rb",
    "null": "a\0b",
    "right to left": "a\u202eb",
    "isolate": "a\u2067b",
    "zero width": "resnet8\u200b-silu",
    "byte order mark": "\ufeffmine",
    "soft hyphen": "mi\u00adne",
    "no-break blank": "mine\u00a0net",
    "tag": "mine\U000e0041",
    "private": "mine\ue000",
    "unassigned": "mine\U000e0fff",
    "line separator": "a\u2028b",
    "blank at its end": "mine ",
    "blank before it": " mine",
    "a heap of marks": "m" + "\u0301" * 4,
    "201 signs": "n" * 201,
}


@pytest.mark.parametrize("field", ["model.name", "data.name", "data.split", "engine.device"])
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_that_tables_cannot_show_is_refused(tmp_path: Path, field: str, name: str) -> None:
    path = forged(PGD, put(field, name), tmp_path / "forged.json")
    with pytest.raises(ReportError, match=field.replace(".", r"\.")) as caught:
        Report.read(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["n" * 200, "Réseau à 18 couches", "模型", "רשת", "a <b>|$"])
def test_a_name_in_any_writing_is_one(tmp_path: Path, name: str) -> None:
    path = forged(
        PGD, all_of(put("model.name", name), put("model.source", "file")), tmp_path / "r.json"
    )
    assert read_report(path).model.name == name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("CIFAR-10", "cifar10"),
        ("Cifar10", "cifar10"),
        ("cifar 10", "cifar10"),
        ("\uff23ifar10", "cifar10"),
        ("CIFAR-10, JPEG copy", "cifar10-jpeg"),
        ("cifar10_jpeg", "cifar10-jpeg"),
        ("CIFAR-100", "cifar100"),
        ("Digits", "digits"),
        ("ImageNet", "imagenet"),
        ("ImageNet partial", "imagenet-partial"),
    ],
)
def test_a_name_that_reads_as_a_known_data_set_s_is_refused(
    tmp_path: Path, name: str, key: str
) -> None:
    change = all_of(put("data.name", name), put("data.official_subset", False))
    path = forged(PGD, change, tmp_path / "forged.json")
    with pytest.raises(ReportError, match=rf"reads as {key}, the name") as caught:
        read_report(path)
    assert "of their own" in str(caught.value)


@pytest.mark.parametrize("name", ["my-digits", "cifar10-folder", "cifar", "imagenet-v2", "---"])
def test_a_name_that_no_known_data_set_has_is_ones_own(tmp_path: Path, name: str) -> None:
    change = all_of(put("data.name", name), put("data.official_subset", False))
    assert read_report(forged(PGD, change, tmp_path / "r.json")).data.name == name
