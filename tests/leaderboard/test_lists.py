"""Where a Report stands: on the board of its images, whatever a file or a folder calls them."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval import Report
from eval.errors import DataError, ReportError, UsageError
from leaderboard import lists
from leaderboard.boards import Board, leaderboard
from leaderboard.lists import KEPT, ROBUSTBENCH, ImageList, digest_of, keep, kept_in, list_in
from leaderboard.narrowed import narrowed
from leaderboard.places import ROBUSTBENCH_SUBSET, subset_of_published
from leaderboard.published import published
from leaderboard.submit import add

Make = Callable[..., Report]
Folder = Callable[..., Path]
Run = Callable[..., Any]

LABELS = np.load(Path(__file__).parents[2] / "eval/data/imagenet/imagenet_val_labels.npy")
OTHER = hashlib.sha256(b"other pixels").hexdigest()
CHOSEN = range(7, 50_000, 10)
"""As many as RobustBench's."""


def imagenet(made: Make, numbers: Sequence[int] = CHOSEN, **facts: Any) -> Report:
    return made(
        facts.pop("verdicts", ["robust"] * len(numbers)),
        data="imagenet",
        split="val",
        ids=[f"ILSVRC2012_val_{number:08d}" for number in numbers],
        labels=[int(LABELS[number - 1]) for number in numbers],
        classes=1000,
        protocol="autoattack",
        **{"eps": "4/255"} | facts,
    )


def written(folder: Path, report: Report, name: str = "imagenet_test_image_ids.txt") -> Path:
    """The report's ids as RobustBench writes them, in another order."""
    path = folder / name
    ids = reversed(report.images.ids)
    path.write_text("\n".join(f"n01440764/{one}.JPEG" for one in ids))
    return path


def boards_with(folder: Path, model: str) -> list[Board]:
    found = leaderboard([folder]).boards
    return [board for board in found if any(row.model == model for row in board.rows)]


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> ImageList:
    """RobustBench's list, were it the one of these tests."""
    digest = digest_of(f"ILSVRC2012_val_{number:08d}" for number in CHOSEN)
    found = ROBUSTBENCH.model_copy(update={"ids_sha256": digest})
    monkeypatch.setattr(lists, "KNOWN", (found,))
    return found


@pytest.mark.usefixtures("theirs")
def test_a_report_on_robustbench_s_images_stands_on_robustbench_s_board(
    made: Make, results: Folder
) -> None:
    (board,) = boards_with(results(imagenet(made, model="ours")), "ours")
    assert (board.norm, board.eps, board.subset_key) == ("Linf", "4/255", ROBUSTBENCH_SUBSET.key)
    beside = {row.model for row in board.rows if row.published}
    assert {"Liu2023Comprehensive_Swin-L", "Salman2020Do_R50"} <= beside


@pytest.mark.usefixtures("theirs")
def test_the_order_of_the_ids_makes_no_other_board_and_one_other_image_does(
    made: Make, results: Folder
) -> None:
    other = [*CHOSEN[:-1], 50_000]
    folder = results(
        imagenet(made, model="ours"),
        imagenet(made, CHOSEN[::-1], model="reversed"),
        imagenet(made, other, model="one-other"),
    )
    assert boards_with(folder, "ours") == boards_with(folder, "reversed")
    (apart,) = boards_with(folder, "one-other")
    assert apart.subset_key != ROBUSTBENCH_SUBSET.key
    assert apart.subset.startswith("5,000 chosen images, digest of ids ")


@pytest.mark.usefixtures("theirs")
def test_networks_that_see_the_same_pictures_at_other_sizes_share_imagenet_s_board(
    made: Make, results: Folder
) -> None:
    report = imagenet(made, model="small")
    data = report.data.model_copy(update={"pixels_sha256": OTHER})
    large = imagenet(made, model="large", weights="v").model_copy(update={"data": data})
    folder = results(report, large)
    assert boards_with(folder, "small") == boards_with(folder, "large")


def test_the_name_of_a_file_makes_no_list_robustbench_s(
    made: Make, tmp_path: Path, results: Folder
) -> None:
    report = imagenet(made, model="ours")
    found = list_in(written(tmp_path, report), report)
    assert (found.name, found.n) == ("imagenet_test_image_ids", 5000)
    keep(found, folder := results(report))
    (board,) = boards_with(folder, "ours")
    digest = found.ids_sha256[:8]
    assert board.subset == f"5,000 images, list imagenet_test_image_ids, digest of ids {digest}"
    assert not any(row.published for row in board.rows)


@pytest.mark.parametrize(
    "name",
    ["RobustBench's fixed list", "robustbench_s-FIXED-list", "RobustBench\u2019s fixed list"],
)
def test_no_other_list_is_called_as_robustbench_s(made: Make, tmp_path: Path, name: str) -> None:
    report = imagenet(made, range(1, 30))
    with pytest.raises(ReportError, match=r"of other images .*: give it a name of its own$"):
        list_in(written(tmp_path, report, f"{name}.txt"), report)
    good = list_in(written(tmp_path, report, "good.txt"), report)
    line = good.model_copy(update={"name": name}).model_dump_json()
    (tmp_path / KEPT).write_text(f"{line}\n", encoding="utf-8")
    kept = kept_in([tmp_path])
    assert len(kept.lists) == len(lists.KNOWN)
    ((_, reason),) = kept.refused
    assert reason.startswith("line 1 of lists of images ")
    assert "of other images" in reason


def test_robustbench_s_own_list_may_be_in_a_file_of_any_name(
    made: Make, tmp_path: Path, theirs: ImageList
) -> None:
    report = imagenet(made)
    for name in ("RobustBench's fixed list.txt", "mine.txt"):
        assert list_in(written(tmp_path, report, name), report) == theirs


def test_the_published_board_of_robustbench_is_that_of_its_list() -> None:
    entries = [e for e in published() if e.subset_of == ROBUSTBENCH.name]
    assert len(entries) == 30
    assert {subset_of_published(entry) for entry in entries} == {ROBUSTBENCH_SUBSET}


def test_a_list_is_named_once_and_its_digest_is_kept_beside_the_reports(
    made: Make, tmp_path: Path
) -> None:
    source, folder = tmp_path / "report.json", tmp_path / "own"
    report = imagenet(made, range(1, 30), model="ours")
    report.write(source)
    without = add(source, folder)
    assert without.images is not None
    assert without.images.text.startswith("29 chosen images, digest of ids ")
    named = add(without.path, folder, ids=written(tmp_path, report, "hard-ones.txt"))
    assert named.path == without.path, "the report stays where it is"
    assert named.images is not None
    digest = digest_of(report.images.ids)[:8]
    assert named.images.text == f"29 images, list hard-ones, digest of ids {digest}"
    assert list(folder.glob("*.json")) == [without.path]
    again = add(source, folder, ids=written(tmp_path, report, "other-name.txt"))
    assert again.images == named.images, "the first name stays"
    assert len((folder / KEPT).read_text().splitlines()) == 1
    # Every later report of these images needs no list.
    imagenet(made, range(1, 30), model="later").write(later := tmp_path / "later.json")
    assert add(later, folder).images == named.images
    (board,) = boards_with(folder, "later")
    assert {row.model for row in board.rows} == {"ours", "later"}


def test_a_list_of_other_images_is_refused_and_not_kept(made: Make, tmp_path: Path) -> None:
    source, folder = tmp_path / "report.json", tmp_path / "own"
    report = imagenet(made, range(1, 30))
    report.write(source)
    for numbers in (range(1, 29), range(2, 31), range(1, 31)):
        wrong = written(tmp_path, imagenet(made, numbers))
        with pytest.raises(ReportError, match="is not the list of this report, whose ids have"):
            add(source, folder, ids=wrong)
    (empty := tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(UsageError, match="names no id"):
        add(source, folder, ids=empty)
    with pytest.raises(UsageError, match="No such file"):
        add(source, folder, ids=tmp_path / "none.txt")
    (binary := tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    with pytest.raises((UsageError, DataError, ReportError)):
        add(source, folder, ids=binary)
    assert not (folder / KEPT).exists()
    assert not list(folder.glob("*"))


def test_a_damaged_line_is_named_and_the_other_lists_stay(
    made: Make, results: Folder, tmp_path: Path
) -> None:
    report = imagenet(made, range(1, 30), model="ours")
    folder = results(report)
    good = list_in(written(tmp_path, report, "good.txt"), report).model_dump_json()
    for bad in ("{", "[]", '{"dataset": 3}', good.replace('"n":29', '"n":-1'), "\x00"):
        (folder / KEPT).write_text(f"{bad}\n{good}\n")
        done = leaderboard([folder])
        assert [refused.path.name for refused in done.refused] == [KEPT]
        assert "line 1" in done.refused[0].reason
        assert narrowed(done.boards, "imagenet", subset=None)
        assert any(board.subset.startswith("29 images, list good, digest") for board in done.boards)


def test_a_name_of_a_list_cannot_reach_a_screen_as_it_is(made: Make, tmp_path: Path) -> None:
    report = imagenet(made, range(1, 30))
    found = list_in(written(tmp_path, report, "\x1b[2J\u202e.txt"), report)
    assert found.name.isprintable()
    (tmp_path / KEPT).write_text(
        found.model_dump_json().replace("x1b", "u202e") + "\n", encoding="utf-8"
    )
    assert len(kept_in([tmp_path]).lists) == 1 + len(lists.KNOWN)


@pytest.mark.parametrize("data", ["toy", "somebody-s-folder", "cifar100", "cifar10-folder"])
def test_equal_ids_with_other_pixels_or_labels_never_share_a_board(
    made: Make, results: Folder, data: str
) -> None:
    verdicts = ["robust", "clean", "robust", "pgd-50"]
    facts: dict[str, Any] = {"data": data, "classes": 100}
    first = made(verdicts, model="first", **facts)
    pixels = first.data.model_copy(update={"pixels_sha256": OTHER})
    folder = results(
        first,
        made(verdicts, model="same", **facts),
        made(verdicts, model="pixels", **facts).model_copy(update={"data": pixels}),
        made(verdicts, model="labels", labels=[0, 1, 0, 0], **facts),
    )
    found = {one: boards_with(folder, one) for one in ("first", "same", "pixels", "labels")}
    assert all(len(boards) == 1 for boards in found.values())
    assert found["first"] == found["same"]
    keys = [found[one][0].key for one in ("first", "pixels", "labels")]
    assert len(set(keys)) == 3
    subsets = {board.subset_key for boards in found.values() for board in boards}
    assert len(subsets) == 3, "each can be asked for by its key"


def test_other_pixels_under_official_ids_stand_beside_nothing_published(
    made: Make, results: Folder
) -> None:
    """Of two that only strangers vouch for, nobody knows which is CIFAR-10."""
    ids = [str(i) for i in range(10_000)]
    reports = [
        made(["robust"] * 10_000, model=one, data="cifar10", ids=ids, official=True, weights=one)
        for one in ("one", "other")
    ]
    alone = boards_with(results(reports[0]), "one")
    assert any(row.published for row in alone[0].rows)
    data = reports[1].data.model_copy(update={"pixels_sha256": OTHER})
    folder = results(reports[0], reports[1].model_copy(update={"data": data}))
    for one in ("one", "other"):
        (board,) = boards_with(folder, one)
        assert not any(row.published for row in board.rows)
        assert "with other pixels, labels or order" in board.subset


def test_the_command_names_the_board_and_how_to_name_its_images(
    made: Make, tmp_path: Path, sat_zoo: Run
) -> None:
    report = imagenet(made, range(1, 30), model="ours")
    report.write(source := tmp_path / "report.json")
    folder = tmp_path / "own"
    done = sat_zoo("leaderboard", "add", source, "--results", folder)
    assert done.code == 0, done.err
    assert "it stands among reports of imagenet, 29 chosen images, digest of ids" in done.out
    assert "the name of their list: sat-zoo leaderboard add REPORT --ids FILE" in done.out
    key = done.out.split("digest of ids ")[1].split()[0]
    shown = sat_zoo(
        *("leaderboard", "show", "imagenet", "--subset", f"29-{key}", "--results", folder)
    )
    assert "to give these images the name of their list" in shown.out
    ids = written(tmp_path, report, "hard-ones.txt")
    done = sat_zoo("leaderboard", "add", source, "--results", folder, "--ids", ids)
    assert f"29 images, list hard-ones, digest of ids {key}" in done.out
    assert "--ids FILE" not in done.out
    wrong = written(tmp_path, imagenet(made, range(1, 20)), "wrong.txt")
    done = sat_zoo("leaderboard", "add", source, "--results", folder, "--ids", wrong)
    assert (done.code, done.out) == (1, "")
    assert "wrong.txt is not the list of this report" in done.err
    done = sat_zoo("leaderboard", "add", source, "--ids", tmp_path / "none.txt")
    assert done.code == 2
    assert "--ids" in done.err
