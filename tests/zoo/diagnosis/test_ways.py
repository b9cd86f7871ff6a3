from typing import Any

import numpy as np
import pytest

from eval.data.files.pictures import open_picture
from zoo.cards import InputSpec, ModelCard
from zoo.diagnosis.ways import other_geometries, other_kernels, own_way
from zoo.golden.pictures import pictures
from zoo.golden.record import as_input
from zoo.preprocess import for_card
from zoo.registry import card

TIMM = {"preprocess": "timm-eval", "interpolation": "bicubic", "crop_pct": 0.95}


def cards() -> list[ModelCard]:
    resnet, b0 = card("resnet50-silu-sat"), card("efficientnet-b0-sat")
    spec = InputSpec(size=224, **TIMM)  # type: ignore[arg-type]
    return [resnet, b0, resnet.model_copy(update={"input": spec})]


@pytest.mark.parametrize("info", cards(), ids=lambda info: info.input.preprocess)
def test_the_own_way_of_a_card_is_its_preprocessing_to_the_bit(info: ModelCard) -> None:
    way = own_way(info.input)
    assert way is not None
    for one in pictures("photo"):
        if not one.is_jpeg or info.input.preprocess != "efficientnet-tf":  # it may decode its own
            opened = open_picture(one.content, one.name)
            expected = as_input(for_card(info)(opened)).numpy().transpose(1, 2, 0)
            np.testing.assert_array_equal(way(opened, 3), expected)


def test_no_other_way_makes_the_same_of_a_large_picture() -> None:
    spec = card("resnet50-silu-sat").input
    way, picture = own_way(spec), pictures("photo")[0]
    assert way is not None
    opened = open_picture(picture.content, picture.name)
    seen: list[Any] = [way(opened, 3)]
    for _, noun, other in (*other_kernels(way), *other_geometries(way, spec.size)):
        if "size + 32" in noun or "EXIF" in noun:  # the first is its own, and this is upright
            continue
        found = other(opened, 3)
        assert found.shape == (224, 224, 3), noun
        is_same = np.abs(found - seen[0]).mean() < 1e-3
        # 0.875 of 224 is 256, the ResNets' own edge.
        assert is_same == ("0.875" in noun), noun
