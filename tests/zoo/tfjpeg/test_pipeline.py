"""JPEG files through the EfficientNets' preprocessing, and what a Report says of the decoder."""

import csv
import io
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zoo.preprocess
from eval import evaluate
from eval.data import open_data
from eval.data.files.pictures import open_picture, pillow, read_picture
from eval.data.folder import open_folder
from eval.errors import DataError
from eval.executors.cluster.worker import Worker
from eval.report.digest import what_images_follow_from
from zoo import tfjpeg
from zoo.official.evidence.pixels import compared
from zoo.preprocess import Pipeline, efficientnet_tf, preprocess, resnet_opencv

PICTURES = ("n01748264_Indian_cobra", "n01871265_tusker", "n01882714_koala", "n02692877_airship")
EFFICIENTNET = Pipeline("efficientnet-tf", 32)


def waves(height: int = 50, width: int = 64) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin(x / 3 + k) * np.cos(y / 4 - k) for k in range(3)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def encoded(form: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    waves().save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfjpeg, "installed", lambda: "")


@pytest.mark.parametrize("name", PICTURES)
def test_decoded_windows_are_those_of_tensorflow_1_to_the_bit(shared: Path, name: str) -> None:
    folder = shared / "tfparity/crops"
    with np.load(folder / f"{name}.npz") as made:
        if "effnet224_decoded" not in made:
            pytest.skip("the reference has no decoded window of it")
        expected, window = made["effnet224_decoded"], tuple(made["effnet224_window"].tolist())
    picture = open_picture(folder / f"{name}.JPEG", name)
    got = tfjpeg.decode_window(
        (folder / f"{name}.JPEG").read_bytes(), picture.height, picture.width, window, is_whole=True
    )
    assert np.array_equal(got, expected)


def test_the_table_of_the_documentation_is_what_the_command_prints(shared: Path) -> None:
    committed = Path(__file__).with_name("pixels.csv").read_text("utf-8").splitlines()
    made = list(compared(shared / "tfparity/crops"))
    rows, again = list(csv.DictReader(committed)), list(csv.DictReader(made))
    assert [row["picture"] for row in rows] == [row["picture"] for row in again]
    for row, new in zip(rows, again, strict=True):
        if row["decoder"] != "pillow":  # whose version may change its pixels
            assert row == new
        if row["decoder"] == "as TensorFlow":
            assert float(row["max_border"]) <= 1 / 128 + 1e-4
            assert float(row["max_inner"]) <= 1 / 128 + 1e-4


def test_a_png_under_the_name_of_a_jpeg_is_decoded_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "n02105855_2933.JPEG"
    path.write_bytes(encoded("PNG"))
    assert np.array_equal(preprocess(path, "efficientnet-tf", 32), efficientnet_tf(waves(), 32))


def test_the_resnets_take_no_part_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the ResNets' files are decoded as before")

    monkeypatch.setattr(tfjpeg, "decode_window", never)
    content = encoded(subsampling=2)
    expected = resnet_opencv(open_picture(content, "x"), 32)
    assert np.array_equal(preprocess(content, "resnet-opencv", 32), expected)
    for kind in ("none", "resnet-opencv"):
        assert Pipeline(kind, 32).decoder.name == pillow()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 1}])
def test_a_file_cut_off_is_refused_as_by_the_others(options: dict) -> None:
    content = encoded(**options)
    for kept in (len(content) - 1, len(content) // 2, 40):
        with pytest.raises(DataError, match=r"^x\.jpg cannot be decoded as a picture: "):
            read_picture(content[:kept], "x.jpg", EFFICIENTNET)


def test_what_lies_behind_a_picture_is_no_fault() -> None:
    content = encoded()
    assert np.array_equal(
        preprocess(content + b"a preview", "efficientnet-tf", 32),
        preprocess(content, "efficientnet-tf", 32),
    )


def test_a_jpeg_too_small_for_the_window_is_named() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "JPEG")
    with pytest.raises(DataError, match=r"^x\.jpg: a picture of 1 x 1 pixels is too small"):
        read_picture(stream.getvalue(), "x.jpg", EFFICIENTNET)


def test_without_the_package_pillow_decodes(without_package: None) -> None:
    content = encoded(subsampling=2)
    expected = efficientnet_tf(open_picture(content, "x"), 32)
    assert np.array_equal(preprocess(content, "efficientnet-tf", 32), expected)
    decoder = EFFICIENTNET.decoder
    assert decoder.name == pillow()
    assert decoder.differs.endswith("pip install simplejpeg")


def folder_of_pictures(tmp_path: Path) -> Path:
    for label in ("a", "b"):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / "1.jpg").write_bytes(encoded(subsampling=2, quality=60))
    return tmp_path


def report_of(folder: Path, kind: str = "efficientnet-tf"):
    images = open_folder(folder, preprocess=Pipeline(kind, 32), n_decoders=0)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2)).eval()
    return evaluate(network, images, attack="clean", eps="4/255", name="m", journal=None)


def test_the_report_says_what_decoded_the_pictures(tmp_path: Path) -> None:
    folder = folder_of_pictures(tmp_path)
    tf, cv = report_of(folder), report_of(folder, "resnet-opencv")
    assert tf.data.decoder == (
        f"JPEG as TensorFlow 1: simplejpeg {tfjpeg.installed()}; others: {pillow()}"
    )
    assert cv.data.decoder == pillow()
    assert "other-decoder" not in {flag.code for report in (tf, cv) for flag in report.flags}


def test_a_report_without_the_package_is_flagged_and_of_other_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of_pictures(tmp_path)
    right = report_of(folder)
    monkeypatch.setattr(zoo.preprocess.tfjpeg, "installed", lambda: "")
    other = report_of(folder)
    assert other.data.decoder == pillow()
    (flag,) = [flag for flag in other.flags if flag.code == "other-decoder"]
    assert "decoded by Pillow and not as TensorFlow did" in flag.detail
    assert other.data.ids_sha256 == right.data.ids_sha256
    assert other.data.pixels_sha256 != right.data.pixels_sha256


def test_a_driver_without_the_pictures_says_what_decoded_them_on_the_workers(
    tmp_path: Path,
) -> None:
    folder = folder_of_pictures(tmp_path)
    opening = partial(open_folder, folder, preprocess=EFFICIENTNET, n_decoders=0)
    assert Worker().manifest(opening)["decoder"] == EFFICIENTNET.decoder


def test_arrays_have_no_decoder() -> None:
    assert open_data("digits").decoder is None


def test_older_reports_are_read_and_keep_their_digest(tmp_path: Path) -> None:
    report = report_of(folder_of_pictures(tmp_path))
    older = report.model_copy(update={"data": report.data.model_copy(update={"decoder": None})})
    content = older.to_json()
    assert "decoder" not in content  # a file written again is the file that was read
    again = type(report).model_validate_json(content)
    assert again.data.decoder is None
    assert what_images_follow_from(again) == what_images_follow_from(report)


def test_the_lossy_copy_of_cifar10_says_what_decoded_it(shared: Path) -> None:
    images = open_data("cifar10-jpeg", data_dir=shared / "data").take(1)
    assert images.decoder is not None
    assert images.decoder.name == pillow()
    assert not images.decoder.differs
