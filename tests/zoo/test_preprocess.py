import io
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eval.data.files.pictures import open_picture, read_picture
from eval.errors import DataError, UsageError
from zoo.cards import InputSpec, ModelCard
from zoo.preprocess import (
    Pipeline,
    efficientnet_window,
    for_card,
    preprocess,
    resize_cubic_opencv,
    resize_cubic_tf,
    resnet_sizes,
)

PICTURES = ("n01748264_Indian_cobra", "n01871265_tusker", "n01882714_koala", "n02692877_airship")


def kernel(distance: float) -> float:
    """Keys 1981, equation 8, with a = -0.75."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def slow_resize(image: np.ndarray, height: int, width: int, *, half_pixel: bool) -> np.ndarray:
    """The definition, pixel by pixel: a weighted mean of the 4 x 4 clamped neighbours."""

    def place(i: int, n_in: int, n_out: int) -> float:
        scale = n_in / n_out
        if half_pixel:
            return (i + 0.5) * scale - 0.5
        # TensorFlow: a table of 1,024 steps between two pixels.
        exact = i * scale
        return math.floor(exact) + round((exact - math.floor(exact)) * 1024) / 1024

    n_rows, n_columns = image.shape[:2]
    out = np.zeros((height, width, image.shape[2]))
    for i in range(height):
        y = place(i, n_rows, height)
        for j in range(width):
            x = place(j, n_columns, width)
            for p in range(math.floor(y) - 1, math.floor(y) + 3):
                for q in range(math.floor(x) - 1, math.floor(x) + 3):
                    pixel = image[min(max(p, 0), n_rows - 1), min(max(q, 0), n_columns - 1)]
                    out[i, j] += kernel(y - p) * kernel(x - q) * pixel
    return out


OFFICIAL = ("resnet-opencv", "efficientnet-tf")
sizes = st.integers(1, 9)


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_the_opencv_resize_follows_the_formula(
    h_in: int, w_in: int, h: int, w: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h_in, w_in, 2), dtype=np.uint8)
    exact = np.clip(slow_resize(image, h, w, half_pixel=True), 0, 255)
    # Half a level for rounding, and what float32 adds to sums of 16 products of up to 255.
    assert np.abs(resize_cubic_opencv(image, h, w) - exact).max() <= 0.5 + 1e-3


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_the_tensorflow_resize_follows_the_formula(
    h_in: int, w_in: int, h: int, w: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h_in, w_in, 2), dtype=np.uint8)
    exact = slow_resize(image, h, w, half_pixel=False)
    # A place half-way between two table steps may round either way: the slope of the kernel is
    # below 2, a step is 1/1024, and two axes of up to 255 levels meet.
    assert np.abs(resize_cubic_tf(image, h, w) - exact).max() <= 2 * 2 * 255 * 1.5**2 / 1024


@given(sizes, sizes, st.integers(0, 255), st.integers(1, 40), st.integers(1, 40))
def test_a_flat_picture_stays_flat(h_in: int, w_in: int, level: int, h: int, w: int) -> None:
    image = np.full((h_in, w_in, 3), level, np.uint8)
    assert np.all(resize_cubic_opencv(image, h, w) == level)
    np.testing.assert_allclose(resize_cubic_tf(image, h, w), level, atol=1e-3)


@given(sizes, sizes, st.integers(0, 2**32 - 1))
def test_resizing_to_the_same_size_changes_nothing(h: int, w: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (h, w, 3), dtype=np.uint8)
    assert np.array_equal(resize_cubic_opencv(image, h, w), image)
    assert np.array_equal(resize_cubic_tf(image, h, w), image)


@given(st.integers(2, 40), st.integers(2, 40), st.data())
def test_a_window_is_the_same_part_of_the_whole(h: int, w: int, data: st.DataObject) -> None:
    image = np.random.default_rng(h * w).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    y = data.draw(st.integers(0, h - 1))
    x = data.draw(st.integers(0, w - 1))
    hh, ww = data.draw(st.integers(1, h - y)), data.draw(st.integers(1, w - x))
    part = resize_cubic_opencv(image, h, w, window=(y, x, hh, ww))
    assert np.array_equal(part, resize_cubic_opencv(image, h, w)[y : y + hh, x : x + ww])


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([224, 240, 380, 600]))
def test_crops_lie_in_the_middle_of_the_picture(h: int, w: int, size: int) -> None:
    new_h, new_w, (y, x, _, _) = resnet_sizes(h, w, size)
    assert min(new_h, new_w) == size + 32
    assert abs(new_h / new_w - h / w) <= (h / w) / min(new_h, new_w)
    assert 0 <= new_h - size - 2 * y <= 1
    assert 0 <= new_w - size - 2 * x <= 1

    y, x, side, _ = efficientnet_window(h, w, size)
    assert side in {math.floor(size / (size + 32) * min(h, w)) + d for d in (-1, 0, 1)}
    assert 0 <= 2 * y + side - h <= 1
    assert 0 <= 2 * x + side - w <= 1


@pytest.mark.parametrize("shape", ["96x96", "40x40", "61x120"])
def test_the_tensorflow_resize_is_bit_for_bit_that_of_tensorflow(shared: Path, shape: str) -> None:
    with np.load(shared / "tfparity/crops/resize_synthetic.npz") as made:
        image, expected = made["input"], made[f"out_{shape}"]
    assert np.array_equal(resize_cubic_tf(image, *map(int, shape.split("x"))), expected)


@pytest.mark.parametrize("shape", ["96x130", "40x54"])
def test_the_opencv_resize_is_that_of_opencv(shared: Path, shape: str) -> None:
    with np.load(shared / "tfparity/crops/resize_synthetic.npz") as made:
        image, expected = made["input"], made[f"cv2_bicubic_{shape}"]
    got = resize_cubic_opencv(image, *map(int, shape.split("x")))
    assert np.abs(got.astype(int) - expected).max() <= 1
    assert np.mean(got != expected) < 5e-5  # sums within 1e-5 of a half round either way


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("size", [224, 380])
def test_resnet_inputs_are_those_of_the_official_code(shared: Path, name: str, size: int) -> None:
    folder = shared / "tfparity/crops"
    with np.load(folder / f"{name}.npz") as made:
        expected = made[f"resnet{size}"][..., ::-1]
    got = preprocess(folder / f"{name}.JPEG", "resnet-opencv", size)
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - expected).max() <= 1
    assert np.mean(got != expected) < 5e-5


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("size", [224, 240])
def test_efficientnet_inputs_are_those_of_the_official_code(
    shared: Path, name: str, size: int
) -> None:
    folder = shared / "tfparity/crops"
    with np.load(folder / f"{name}.npz") as made:
        expected = np.clip(made[f"effnet{size}_x64"] / 64, 0, 255)
        window = made[f"effnet{size}_window"].tolist()
    picture = open_picture(folder / f"{name}.JPEG", name)
    assert list(efficientnet_window(picture.height, picture.width, size)) == window
    got = preprocess(folder / f"{name}.JPEG", "efficientnet-tf", size)
    assert got.dtype == np.float32
    assert got.min() >= 0
    assert got.max() <= 1
    # The reference is stored in steps of 1/64, and a level in float32 of [0, 1] is 1e-5 apart.
    assert np.abs(255 * got - expected).max() <= 1 / 128 + 1e-4
    # From a picture that Pillow has decoded: measured 0.53 to 1.42 in the mean, 15 at most.
    error = np.abs(255 * Pipeline("efficientnet-tf", size)(picture) - expected)
    assert error.mean() < 1.5
    assert error.max() < 16


@pytest.mark.parametrize("name", [name for name in PICTURES if "koala" not in name])
def test_from_tensorflows_own_decoding_the_resize_is_exact(shared: Path, name: str) -> None:
    with np.load(shared / f"tfparity/crops/{name}.npz") as made:
        decoded, expected = made["effnet224_decoded"], made["effnet224_x64"] / 64
    # The reference is stored in steps of 1/64.
    assert np.abs(resize_cubic_tf(decoded, 224, 224) - expected).max() <= 1 / 128


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def random_picture(mode: str, width: int = 50, height: int = 40) -> Image.Image:
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels).convert(mode)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"), ("RGBA", "PNG")],
)
@pytest.mark.parametrize("kind", OFFICIAL)
def test_every_usual_pixel_type_becomes_rgb(mode: str, form: str, kind: str) -> None:
    got = preprocess(encoded(random_picture(mode), form), kind, 32)
    assert got.shape == (32, 32, 3)
    if mode in {"L", "1", "LA"}:
        assert np.array_equal(got[..., 0], got[..., 2])


def test_only_the_resnet_pipeline_turns_a_picture_as_exif_says() -> None:
    levels = np.zeros((64, 64, 3), np.uint8)
    levels[:32] = 255  # a white upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: the white half comes to the right
    data = encoded(Image.fromarray(levels), "PNG", exif=exif)
    resnet, efficientnet = (preprocess(data, kind, 32) for kind in OFFICIAL)
    assert resnet[:, -4:].min() == 255
    assert resnet[:, :4].max() == 0
    assert efficientnet[:4].min() == 1
    assert efficientnet[-4:].max() == 0


def test_the_pictures_with_traps_are_read(shared: Path) -> None:
    folder = shared / "data/imagenet-sample"
    for trap in ("n02951585_can_opener", "n01728572_thunder_snake", "n03866082_overskirt"):
        path = next(folder.glob(f"*/{trap}.JPEG"))
        assert preprocess(path, "resnet-opencv", 224).shape == (224, 224, 3)
        assert preprocess(path, "efficientnet-tf", 224).shape == (224, 224, 3)


def test_files_that_are_no_still_picture_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    with pytest.raises(DataError, match=r"x.jpg cannot be read \(No such file"):
        preprocess(path, "resnet-opencv", 224)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x.jpg cannot be decoded"):
        preprocess(path, "resnet-opencv", 224)
    for form in ("JPEG", "PNG", "GIF"):
        path.write_bytes(encoded(random_picture("RGB"), form)[:300])
        with pytest.raises(DataError, match=r"x.jpg cannot be decoded"):
            preprocess(path, "resnet-opencv", 224)
    frames = [random_picture("L"), random_picture("L").rotate(90)]
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    with pytest.raises(DataError, match=r"x.jpg holds several frames; a still picture is needed"):
        preprocess(path, "efficientnet-tf", 224)
    path.write_bytes(encoded(Image.new("F", (4, 4)), "TIFF"))
    with pytest.raises(DataError, match=r"x.jpg: pixels of mode F have no defined range"):
        preprocess(path, "none", 4)


def test_a_picture_too_small_for_the_crop_is_refused_and_one_pixel_is_enough_for_resnets() -> None:
    data = encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")
    assert np.all(preprocess(data, "resnet-opencv", 32) == (9, 8, 7))
    with pytest.raises(DataError, match="the picture: a picture of 1 x 1 pixels is too small"):
        preprocess(data, "efficientnet-tf", 224)


def card(**spec: object) -> ModelCard:
    return ModelCard(
        name="m", family="f", arch="a", activation="silu", method="sat", dataset="imagenet",
        classes=10, input=InputSpec(**spec), threat=None, parameters=1,
    )  # fmt: skip


def test_a_card_gives_its_pipeline_which_travels_to_workers() -> None:
    pipeline = for_card(card(size=380, preprocess="resnet-opencv"))
    assert pipeline == Pipeline("resnet-opencv", 380, 3)
    assert pickle.loads(pickle.dumps(pipeline)) == pipeline
    assert pipeline(random_picture("RGB")).shape == (380, 380, 3)


def test_without_preprocessing_a_picture_must_have_the_models_size() -> None:
    grey = for_card(card(size=8, channels=1))
    picture = random_picture("L", 8, 8)
    assert np.array_equal(grey(picture)[..., 0], np.asarray(picture))
    with pytest.raises(DataError, match=r"z.png: the picture has 50 x 40 pixels.* 8 x 8 without"):
        read_picture(encoded(random_picture("RGB"), "PNG"), "z.png", grey)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet", 224), "unknown preprocessing 'resnet': did you mean resnet-opencv"),
        (("none", 0), "size = 0 is not possible"),
        (("none", 8, 2), "channels = 2 is not possible"),
    ],
)
def test_a_pipeline_that_cannot_be_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Pipeline(*arguments)


def test_importing_the_preprocessing_loads_no_torch() -> None:
    code = "import sys, zoo.preprocess; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
