import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from eval.errors import UsageError
from zoo.cards import ForeignCard, InputSpec
from zoo.preprocess import Pipeline, for_card

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pipeline(**spec: object) -> Pipeline:
    given = {"size": 24, "mean": MEAN, "std": STD, "preprocess": "timm-eval", **spec}
    return for_card(ForeignCard(name="m", arch="a", classes=2, input=InputSpec(**given)))


def picture(mode: str, width: int = 50, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "nearest"])
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_pixels_and_then_the_normalisation_are_timms_own(
    interpolation: str, crop_mode: str
) -> None:
    ours = pipeline(interpolation=interpolation, crop_pct=0.9, crop_mode=crop_mode)
    theirs = create_transform(
        (3, 24, 24), interpolation=interpolation, crop_pct=0.9, crop_mode=crop_mode,
        mean=MEAN, std=STD,
    )  # fmt: skip
    pixels = ours(picture("RGB"))
    assert pixels.dtype == np.uint8
    x = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    torch.testing.assert_close((x - mean) / std, theirs(picture("RGB")), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_kind_of_picture_becomes_three_channels(mode: str) -> None:
    got = pipeline(interpolation="bicubic", crop_pct=1.0)(picture(mode))
    assert got.shape == (24, 24, 3)


def test_a_grey_model_gets_one_channel() -> None:
    grey = pipeline(channels=1, mean=(0.5,), std=(0.5,), interpolation="bilinear", crop_pct=1.0)
    assert grey(picture("RGB")).shape == (24, 24, 1)


def test_it_travels_to_workers() -> None:
    ours = pipeline(interpolation="bicubic", crop_pct=0.875)
    assert pickle.loads(pickle.dumps(ours)) == ours


def test_without_interpolation_it_is_no_pipeline() -> None:
    with pytest.raises(ValueError, match="timm-eval needs interpolation and crop_pct"):
        InputSpec(size=24, preprocess="timm-eval")
    with pytest.raises(UsageError, match="timm-eval needs an interpolation and a crop_pct"):
        Pipeline("timm-eval", 24)
