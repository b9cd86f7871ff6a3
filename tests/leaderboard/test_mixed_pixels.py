"""Reports of the same pictures, decoded in two ways, never pass for Reports of the same pixels."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from eval import Report
from leaderboard.boards import boards
from leaderboard.compare import compare
from leaderboard.rows import BoardRow

Make = Callable[..., Report]

PILLOW, TENSORFLOW = "pillow 13.0.0 (libjpeg-turbo 3.2.0)", "JPEG as TensorFlow 1: simplejpeg 1.9.0"
INFO = zoo.card("efficientnet-b0-sat")


def digest(pixels: str) -> str:
    return hashlib.sha256(pixels.encode()).hexdigest()


def decoded(report: Report, by: str | None, pixels: str) -> Report:
    change = {"decoder": by, "pixels_sha256": digest(pixels)}
    return report.model_copy(update={"data": report.data.model_copy(update=change)})


def efficientnet(made: Make, **more: object) -> Report:
    facts = {"model": INFO.name, "parameters": INFO.parameters, "classes": 1000}
    return made(["robust"] * 60 + ["clean"] * 40, data="imagenet", eps="4/255", **facts, **more)


def rows_of(folder: Path) -> list[BoardRow]:
    return [row for board in boards([folder]) for row in board.rows if row.reports]


def test_a_row_of_other_pixels_is_marked_and_keeps_its_rank(
    made: Make, results: Callable[..., Path]
) -> None:
    one = decoded(efficientnet(made, protocol="pgd-10"), PILLOW, "a")
    other = decoded(efficientnet(made, protocol="pgd-20"), TENSORFLOW, "b")
    (row,) = rows_of(results(one, other))
    assert row.flags[-1].code == "mixed-pixels"
    said = sorted([f"{digest('a')[:8]} by {PILLOW}", f"{digest('b')[:8]} by {TENSORFLOW}"])
    assert row.flags[-1].detail.endswith(f"digest, decoder: {'; '.join(said)}")
    assert row.rank is not None


def test_an_older_report_beside_a_new_one_is_marked_too(
    made: Make, results: Callable[..., Path]
) -> None:
    one = decoded(efficientnet(made, protocol="pgd-10"), None, "a")
    other = decoded(efficientnet(made, protocol="pgd-20"), TENSORFLOW, "b")
    (row,) = rows_of(results(one, other))
    assert f"{digest('a')[:8]} by not stated" in row.flags[-1].detail


def test_reports_of_one_decoder_are_not_marked(made: Make, results: Callable[..., Path]) -> None:
    reports = [
        decoded(efficientnet(made, protocol=name), TENSORFLOW, "b") for name in ("pgd-10", "pgd-20")
    ]
    (row,) = rows_of(results(*reports))
    assert row.flags == ()


def test_the_same_run_with_another_decoder_is_another_run(
    made: Make, results: Callable[..., Path]
) -> None:
    """Neither takes the other's place, as two files of one run would."""
    one = decoded(efficientnet(made), PILLOW, "a")
    other = decoded(efficientnet(made), TENSORFLOW, "b")
    (row,) = rows_of(results(one, other))
    assert len(row.reports) == 2


@pytest.mark.parametrize(
    ("decoders", "said"),
    [
        ((PILLOW, TENSORFLOW), f"or their decoders do ({PILLOW}; {TENSORFLOW})"),
        ((PILLOW, PILLOW), "the models' inputs differ"),
        ((None, TENSORFLOW), "the models' inputs differ"),
    ],
)
def test_a_comparison_names_the_decoders_where_they_differ(
    made: Make, decoders: tuple[str | None, str | None], said: str
) -> None:
    a, b = (decoded(made(model=name), by, name) for name, by in zip("ab", decoders, strict=True))
    (note,) = compare(a, b).notes
    assert note.startswith("the same images, but not the same pixels: ")
    assert note.endswith(said)
