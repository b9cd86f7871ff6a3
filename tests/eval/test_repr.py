"""What Python shows of our objects is one line, without arrays."""

from dataclasses import replace

import numpy as np
from torch import nn

import zoo
from eval import evaluate, open_data
from eval.data import ImageSet
from eval.report.report import Flag
from zoo.cards import ForeignCard, InputSpec


def test_a_report_is_one_line_with_its_numbers(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = evaluate(tiny_net, tiny_data, attack="pgd-2", eps="1/20", name="tiny")
    share = f"{100 * report.robust.accuracy:.1f}"
    assert (
        repr(report)
        == str(report)
        == (
            "Report(tiny on 60 of custom (all), clean 75.0 %,"
            f" robust {share} % (pgd-2, Linf eps 1/20))"
        )
    )


def test_a_report_without_an_attack_shows_no_robust_number(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(tiny_net, tiny_data, attack="clean", name="tiny")
    assert repr(report) == "Report(tiny on 60 of custom (all), clean 75.0 %)"


def test_a_report_shows_its_flags_each_once(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = evaluate(tiny_net, tiny_data, attack="clean")
    flags = tuple(Flag(code="skipped-images", detail=text) for text in "ab")
    assert repr(report.model_copy(update={"flags": flags})).endswith("%, flag skipped-images)")


def test_an_image_set_is_one_line_and_nothing_is_decoded() -> None:
    images = open_data("digits")
    assert repr(images) == "ImageSet(digits (test), 360 images, 10 classes, official subset)"
    some = replace(images.select([3, 1]), n_skipped=7, source=None)
    assert repr(some) == str(some) == "ImageSet(digits (test), 2 images, 10 classes, 7 left out)"


def test_a_batch_is_one_line() -> None:
    batch = open_data("digits").batch(np.arange(3))
    assert repr(batch) == "Batch(3 images of shape (1, 8, 8))"


def test_a_card_is_one_line() -> None:
    assert repr(zoo.card("resnet8-silu-sat-digits")) == (
        "ModelCard(resnet8-silu-sat-digits, satzoo_resnet8_digits, activation silu, input 1x8x8,"
        " 10 classes of digits, Linf eps 3/16)"
    )
    for name in zoo.list_models():
        assert len(repr(zoo.card(name))) < 200


def test_a_foreign_card_shows_what_is_known() -> None:
    card = ForeignCard(name="x.safetensors", arch="resnet18", classes=7, input=InputSpec(size=32))
    assert str(card) == (
        "ForeignCard(x.safetensors, resnet18, activation default, input 3x32x32, 7 classes)"
    )
