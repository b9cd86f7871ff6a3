"""Downloads from a Drive on loopback, which asks, refuses, cuts and lies."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from tests.driveserver import FOREVER, DriveServer, Fault
from zoo.cards import ModelCard
from zoo.official import TensorBundle
from zoo.official.fetch import download
from zoo.official.fetch.download import Watch, problem

Write = Fetch = Callable[..., Path]
Variables = dict[str, np.ndarray[Any, Any]]
INDEX, DATA = "id-of-index", "id-of-data"
FILES = ["small.data-00000-of-00001", "small.index"]
BY_HAND = (
    r"download https://drive\.google\.com/file/d/id-of-index/view and https://\S+id-of-data/view in"
    r" a browser .*: sat-zoo import small-resnet --checkpoint FOLDER/small"
)


@pytest.fixture
def variables(resnet_card: ModelCard, make_variables: Callable[..., Variables]) -> Variables:
    return make_variables(resnet_card)


@pytest.fixture
def drive(
    drive: DriveServer,
    tmp_path: Path,
    write_bundle: Write,
    variables: Variables,
    monkeypatch: pytest.MonkeyPatch,
) -> DriveServer:
    """The Drive with the checkpoint of the small card."""
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    put(drive, write_bundle(tmp_path / "x", variables))
    return drive


def put(drive: DriveServer, prefix: Path) -> None:
    drive.files[INDEX] = Path(f"{prefix}.index").read_bytes()
    drive.files[DATA] = Path(f"{prefix}.data-00000-of-00001").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "home" / "partial" / "small" / f".{FILES[0]}.part"


@pytest.fixture
def fetch(resnet_card: ModelCard, folder: Path) -> Fetch:
    return lambda **options: download.fetch(resnet_card, folder, **{"wait_s": 0.0, **options})


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_checkpoint_is_downloaded_under_its_own_name(
    drive: DriveServer, fetch: Fetch, folder: Path, variables: Variables, part: Path
) -> None:
    said: list[str] = []
    bars: dict[str, tuple[int, list[int]]] = {}

    def bar(name: str, size: int) -> Callable[[int], None]:
        bars[name] = (size, [])
        return bars[name][1].append

    prefix = fetch(watch=Watch(bar, said.append))
    assert prefix == folder / "small"
    assert names_in(folder) == FILES
    assert problem(prefix) == ""
    kernel = TensorBundle(prefix).read("conv0/W")
    assert kernel.tobytes() == variables["conv0/W"].tobytes()
    n_bytes = len(drive.files[DATA])
    assert bars[FILES[0]][0] == bars[FILES[0]][1][-1] == n_bytes
    assert said == [f"small-resnet: {FILES[0]} has {n_bytes / 1e6:.1f} MB"]
    assert not part.parent.exists()


def test_a_whole_checkpoint_is_not_downloaded_again_and_a_damaged_one_is(
    drive: DriveServer, fetch: Fetch, folder: Path
) -> None:
    fetch()
    n_asked = len(drive.requests)
    fetch()
    assert len(drive.requests) == n_asked
    broken = folder / FILES[0]
    broken.write_bytes(b"\1" * broken.stat().st_size)
    fetch()
    assert broken.read_bytes() == drive.files[DATA]


@pytest.mark.parametrize("old", [False, True])
def test_the_question_before_a_large_file_is_answered(
    drive: DriveServer, fetch: Fetch, folder: Path, old: bool
) -> None:
    drive.unscanned, drive.old = {DATA}, old
    drive.break_next(Fault(DATA, cut_after=1000))
    fetch()
    assert (folder / FILES[0]).read_bytes() == drive.files[DATA]
    first, second = drive.asked(DATA)
    assert "confirm=" in first.path
    assert second.headers["range"] == "bytes=1000-"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("quota", r"too many people fetched it \(quota exceeded\): try again tomorrow; download"),
        ("sign-in", "asks to sign in: the file is no longer shared with everybody; download"),
        ("denied", "asks to sign in: the file is no longer shared"),
        ("missing", r"Google Drive has no such file \(404\): it was moved or deleted; download"),
        ("proxy", r'instead of the file, titled "Welcome to Hotel WiFi" \(status 200\)'),
        ("phish", r"a web page came from 127\.0\.0\.1 instead of the file \(status 200\)"),
    ],
)
def test_a_page_instead_of_the_file_is_named_with_the_way_out(
    drive: DriveServer, fetch: Fetch, folder: Path, page: str, said: str
) -> None:
    drive.break_next(Fault(DATA, FOREVER, page=page))
    with pytest.raises(WeightsUnavailable, match=rf"^small-resnet: {FILES[0]}: .*{said}") as caught:
        fetch()
    assert caught.match(BY_HAND)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert names_in(folder) == []


def test_a_page_in_mid_file_keeps_what_came(
    drive: DriveServer, fetch: Fetch, folder: Path, part: Path
) -> None:
    drive.break_next(Fault(DATA, cut_after=1000))
    drive.break_next(Fault(DATA, page="quota"))
    with pytest.raises(WeightsUnavailable, match="quota exceeded"):
        fetch()
    assert part.stat().st_size == 1000
    fetch()
    assert drive.asked(DATA)[-1].headers["range"] == "bytes=1000-"
    assert (folder / FILES[0]).read_bytes() == drive.files[DATA]


def test_a_page_that_claims_to_be_a_file_is_refused(
    drive: DriveServer, fetch: Fetch, part: Path
) -> None:
    drive.break_next(Fault(DATA, page="proxy", as_file=True))
    with pytest.raises(WeightsMismatch, match=r"has \d+ bytes, expected \d+"):
        fetch()
    drive.break_next(Fault(INDEX, FOREVER, page="proxy", as_file=True))
    shutil.rmtree(part.parent)
    with pytest.raises(WeightsUnavailable, match=f"is a web page, not the file.*{BY_HAND}"):
        fetch()


@pytest.mark.parametrize("no_range", [False, True])
def test_a_cut_is_gone_on_from(
    drive: DriveServer, fetch: Fetch, folder: Path, no_range: bool
) -> None:
    drive.break_next(Fault(DATA, cut_after=5000))
    drive.break_next(Fault(DATA, no_range=no_range))
    fetch()
    assert [r.headers.get("range") for r in drive.asked(DATA)] == [None, "bytes=5000-"]
    assert (folder / FILES[0]).read_bytes() == drive.files[DATA]


def test_what_an_earlier_try_left_of_another_file_does_not_matter(
    drive: DriveServer, fetch: Fetch, folder: Path, part: Path
) -> None:
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another file" * 100)
    fetch()
    assert (folder / FILES[0]).read_bytes() == drive.files[DATA]


def test_busy_answers_are_waited_out(
    drive: DriveServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("eval.files.download.time", SimpleNamespace(sleep=waits.append))
    drive.break_next(Fault(DATA, status=500))
    drive.break_next(Fault(DATA, status=429, retry_after=7))
    fetch(wait_s=1.0)
    assert waits == [1.0, 7.0]


def test_a_lasting_failure_says_what_is_kept_and_what_else_can_be_done(
    drive: DriveServer, fetch: Fetch, part: Path
) -> None:
    drive.break_next(Fault(DATA, cut_after=5000))
    drive.break_next(Fault(DATA, FOREVER, status=503))
    with pytest.raises(
        WeightsUnavailable,
        match=rf"could not be fetched \(status 503\); 0\.0 MB are kept in {part}; try again later,"
        rf" or {BY_HAND}",
    ):
        fetch()
    assert part.stat().st_size == 5000


def test_a_length_that_is_not_the_indexs_is_refused_at_once(
    drive: DriveServer, fetch: Fetch, folder: Path
) -> None:
    drive.break_next(Fault(DATA, keep=5000))
    with pytest.raises(WeightsMismatch, match=rf"{FILES[0]}: .* has 5000 bytes, expected \d+"):
        fetch()
    assert names_in(folder) == []


def test_other_bytes_of_the_right_length_are_refused_and_not_kept(
    drive: DriveServer, fetch: Fetch, folder: Path, part: Path
) -> None:
    drive.break_next(Fault(DATA, wrong=True))
    with pytest.raises(WeightsMismatch, match="none of the 267 tensors has the checksum"):
        fetch()
    assert names_in(folder) == []
    assert not part.exists()
    content = bytearray(drive.files[DATA])
    content[0] ^= 1
    good, drive.files[DATA] = drive.files[DATA], bytes(content)
    with pytest.raises(WeightsMismatch, match=r"do not have the checksum.*1 of 267 tensors are"):
        fetch()
    drive.files[DATA] = good
    fetch()


def test_the_index_of_another_network_is_refused_before_the_data_is_fetched(
    drive: DriveServer, fetch: Fetch, tmp_path: Path, write_bundle: Write, variables: Variables
) -> None:
    variables["linear/W"] = variables["linear/W"][:, :4]
    put(drive, write_bundle(tmp_path / "other", variables))
    with pytest.raises(WeightsMismatch, match="is not a checkpoint of small-resnet: its linear/W"):
        fetch()
    assert drive.asked(DATA) == []
    many = write_bundle(tmp_path / "many", {"a": variables["linear/b"]}, n_shards=2)
    drive.files[INDEX] = Path(f"{many}.index").read_bytes()
    with pytest.raises(WeightsMismatch, match="speaks of 2 data files, and the release has one"):
        fetch()


def test_two_files_of_different_checkpoints_are_told(
    tmp_path: Path, write_bundle: Write, variables: Variables
) -> None:
    other = {name: array + 1 for name, array in variables.items()}
    prefix = write_bundle(tmp_path / "a", variables)
    strange = write_bundle(tmp_path / "b", other)
    shutil.copy(f"{strange}.data-00000-of-00001", f"{prefix}.data-00000-of-00001")
    assert "are of two different checkpoints: download both again" in problem(prefix)


def test_no_room_is_told_before_the_data_is_fetched(
    drive: DriveServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = len(drive.files[DATA]) - 1
    monkeypatch.setattr(
        "zoo.official.fetch.download.shutil.disk_usage", lambda _: SimpleNamespace(free=room)
    )
    with pytest.raises(SatZooError, match=r"needs .* for the download and the converted weights"):
        fetch()
    assert drive.asked(DATA) == []


def test_a_folder_that_cannot_be_written_is_an_error(
    drive: DriveServer, fetch: Fetch, folder: Path
) -> None:
    folder.write_text("a file")
    with pytest.raises(SatZooError, match=r"cannot be written: .*; name another folder"):
        fetch()


def test_no_network_is_one_sentence(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SAT_ZOO_DRIVE_ENDPOINT", "http://127.0.0.1:9/")
    with pytest.raises(WeightsUnavailable, match=f"127.0.0.1:9/uc could not be .*{BY_HAND}"):
        fetch()
    monkeypatch.setenv("SAT_ZOO_DRIVE_ENDPOINT", "drive.google.com")
    with pytest.raises(UsageError, match="cannot be fetched: give an address of http"):
        fetch()


def test_a_model_that_was_not_released_cannot_be_downloaded(
    bare_card: ModelCard, folder: Path
) -> None:
    with pytest.raises(UsageError, match="small-bare has no official TensorFlow checkpoint"):
        download.fetch(bare_card, folder)
