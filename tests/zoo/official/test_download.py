import errno
import http.server
import shutil
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from eval.errors import SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from zoo.cards import ModelCard
from zoo.official import Bundle, fetch

Write = Callable[..., Path]
PAGE = b"<!DOCTYPE html>\n<html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.fixture
def drive(tmp_path: Path, write_bundle: Write) -> dict[str, Path]:
    """What the ids of the small card stand for."""
    remote = tmp_path / "remote"
    remote.mkdir()
    prefix = write_bundle(remote / "x", {"a": np.arange(50, dtype="float32")})
    return {
        "id-of-index": Path(f"{prefix}.index"),
        "id-of-data": Path(f"{prefix}.data-00000-of-00001"),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.fixture
def page_url() -> Iterator[str]:
    """A server on this machine that answers everything with a web page and the status 200."""

    class Refusal(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/uc?id="
        server.shutdown()
        thread.join()


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_checkpoint_is_downloaded_under_its_own_name(
    resnet_card: ModelCard, drive: dict[str, Path], folder: Path
) -> None:
    prefix = fetch(resnet_card, folder, downloader=lambda i, to: shutil.copy(drive[i], to))
    assert prefix == folder / "small"
    assert names_in(folder) == ["small.data-00000-of-00001", "small.index"]
    assert Bundle(prefix).read("a").tolist() == list(range(50))


def test_a_whole_checkpoint_is_not_downloaded_again(
    resnet_card: ModelCard, drive: dict[str, Path], folder: Path
) -> None:
    calls: list[str] = []

    def download(drive_id: str, path: Path) -> None:
        calls.append(drive_id)
        shutil.copy(drive[drive_id], path)

    fetch(resnet_card, folder, downloader=download)
    fetch(resnet_card, folder, downloader=download)
    assert calls == ["id-of-index", "id-of-data"]
    broken = folder / "small.data-00000-of-00001"
    broken.write_bytes(b"\1" * broken.stat().st_size)
    fetch(resnet_card, folder, downloader=download)
    assert calls == ["id-of-index", "id-of-data"] * 2


def test_a_web_page_instead_of_a_file_is_refused_and_not_kept(
    resnet_card: ModelCard, folder: Path, page_url: str
) -> None:
    def download(drive_id: str, path: Path) -> None:
        with urllib.request.urlopen(page_url + drive_id) as answer:
            path.write_bytes(answer.read())

    said = (
        r"did not send small\.index: .* begins like a web page.* or download https://.*id-of-index"
    )
    with pytest.raises(WeightsMismatch, match=said):
        fetch(resnet_card, folder, downloader=download)
    assert names_in(folder) == [".small.part"]


def test_a_web_page_instead_of_the_data_keeps_only_the_index_for_the_next_try(
    resnet_card: ModelCard, drive: dict[str, Path], folder: Path
) -> None:
    real = drive["id-of-data"]
    drive["id-of-data"] = real.with_name("page")
    drive["id-of-data"].write_bytes(PAGE)
    with pytest.raises(WeightsMismatch, match=r"did not send small\.data-00000-of-00001"):
        fetch(resnet_card, folder, downloader=lambda i, to: shutil.copy(drive[i], to))
    assert names_in(folder) == [".small.part", ".small.part/small.index"]
    drive["id-of-data"] = real
    fetch(resnet_card, folder, downloader=lambda i, to: shutil.copy(drive[i], to))
    assert names_in(folder) == ["small.data-00000-of-00001", "small.index"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:-1] + b"\x77", lambda b: b""])
def test_a_damaged_download_never_gets_its_name(
    resnet_card: ModelCard,
    drive: dict[str, Path],
    folder: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    drive["id-of-data"].write_bytes(damage(drive["id-of-data"].read_bytes()))
    with pytest.raises(WeightsMismatch, match=r"truncated|do not have the checksum"):
        fetch(resnet_card, folder, downloader=lambda i, to: shutil.copy(drive[i], to))
    assert not list(folder.glob("small.*"))


def test_a_downloader_that_writes_nothing_is_an_error(resnet_card: ModelCard, folder: Path) -> None:
    with pytest.raises(
        WeightsMismatch, match=r"Google Drive did not send small\.index: there is no"
    ):
        fetch(resnet_card, folder, downloader=lambda drive_id, path: None)


def test_a_failed_connection_says_what_else_can_be_done(
    resnet_card: ModelCard, folder: Path
) -> None:
    def download(drive_id: str, path: Path) -> None:
        raise ConnectionError("no route to host")

    said = r"could not be downloaded: no route to host; try again later, or .* with --checkpoint"
    with pytest.raises(WeightsUnavailable, match=said) as caught:
        fetch(resnet_card, folder, downloader=download)
    assert caught.value.exit_code == 3


def test_a_folder_that_cannot_be_written_is_an_error(resnet_card: ModelCard, folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(SatZooError, match=r"cannot be written: .*; name another folder"):
        fetch(resnet_card, folder, downloader=lambda drive_id, path: None)


def test_a_model_that_was_not_released_cannot_be_downloaded(
    bare_card: ModelCard, folder: Path
) -> None:
    with pytest.raises(UsageError, match="small-bare has no official TensorFlow checkpoint"):
        fetch(bare_card, folder)


def test_without_gdown_the_error_says_what_to_install(
    resnet_card: ModelCard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(WeightsUnavailable, match=r"pip install 'sat-zoo\[download\]'"):
        fetch(resnet_card, folder)
    assert not folder.exists()


class FakeDownloadError(Exception):
    pass


def test_gdown_is_given_the_id_and_the_path(
    resnet_card: ModelCard,
    drive: dict[str, Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def download(*, id: str, output: str, **options: Any) -> None:
        assert options["resume"]
        shutil.copy(drive[id], output)

    exceptions = SimpleNamespace(DownloadError=FakeDownloadError)
    fake = SimpleNamespace(download=download, exceptions=exceptions)
    monkeypatch.setitem(sys.modules, "gdown", fake)
    assert Bundle(fetch(resnet_card, folder)).variables.keys() == {"a"}


@pytest.mark.parametrize(
    "error", [FakeDownloadError("too many users"), OSError(errno.ENOSPC, "too many users")]
)
def test_what_gdown_raises_is_one_sentence(
    resnet_card: ModelCard, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(**options: Any) -> None:
        raise error

    exceptions = SimpleNamespace(DownloadError=FakeDownloadError)
    fake = SimpleNamespace(download=download, exceptions=exceptions)
    monkeypatch.setitem(sys.modules, "gdown", fake)
    with pytest.raises(WeightsUnavailable, match=r"could not be downloaded: .*too many users"):
        fetch(resnet_card, folder)
