"""Arguments of another kind than they must be: one sentence, before anything is attacked."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from eval import attack, curve, evaluate, open_data
from eval.data import ImageSet
from eval.errors import UsageError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"attack": None}, "`attack` is a NoneType and no text"),
    ({"attack": ["apgd-ce", "square"]}, "of several stages 'apgd-ce,square'"),
    ({"attack": ("fgsm",)}, "`attack` is a tuple and no text"),
    ({"engine": "quick"}, "unknown engine 'quick': choose one of fast, reference"),
    ({"precision": "fp16"}, "unknown precision 'fp16'"),
    ({"precision": None}, "unknown precision None"),
    ({"name": None}, "`name` is a NoneType and no text"),
    ({"name": 5}, "`name` is a int and no text"),
    ({"fresh": "yes"}, "`fresh` is 'yes': give True or False"),
    ({"allow_probabilities": "no"}, "`allow_probabilities` is 'no': give True or False"),
    ({"last_iterate": "no"}, "`last_iterate` 'no' is neither True nor False"),
    ({"source": "mine"}, "unknown source 'mine'"),
    ({"command": None}, "`command` is a NoneType and no text"),
    ({"file_sha256": "abc"}, "file_sha256 is no SHA-256"),
]


@pytest.mark.parametrize(("said", "message"), WRONG)
def test_an_argument_of_another_kind_is_a_sentence_before_the_first_pass(
    tiny_data: ImageSet, said: dict[str, Any], message: str
) -> None:
    calls: list[int] = []

    def counted(x: torch.Tensor) -> torch.Tensor:
        calls.append(len(x))
        return x.flatten(1)[:, :5]

    with pytest.raises(UsageError, match=message):
        evaluate(counted, tiny_data, **{"attack": "pgd-2", **said})
    assert not calls


ELSEWHERE: dict[str, Callable[[], object]] = {
    "take": lambda: open_data("digits").take(2.0),  # type: ignore[arg-type]
    "tensors": lambda: open_data("digits").tensors("5"),  # type: ignore[arg-type]
    "tensors(True)": lambda: open_data("digits").tensors(True),
    "batches": lambda: list(open_data("digits").batches("a")),  # type: ignore[arg-type]
    "select_ids": lambda: open_data("digits").select_ids([1]),  # type: ignore[list-item]
    "open_data": lambda: open_data(None),  # type: ignore[arg-type]
    "n": lambda: zoo.images("resnet8-silu-sat-digits", n="5"),  # type: ignore[arg-type]
    "a card": lambda: zoo.card(None),  # type: ignore[arg-type]
    "no name": lambda: zoo.load(None),  # type: ignore[arg-type]
    "a number": lambda: zoo.load(5),  # type: ignore[arg-type]
    "a model": lambda: zoo.images(nn.Flatten()),  # type: ignore[arg-type]
    "an attack": lambda: attack(
        nn.Flatten().eval(),
        torch.rand(2, 1, 2, 2),
        torch.arange(2),
        ["fgsm"],  # type: ignore[arg-type]
    ),
    "a curve": lambda: curve(
        nn.Flatten().eval(),
        (torch.rand(2, 1, 2, 2), torch.arange(2)),
        eps="1/255",
        attack=["fgsm"],  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_elsewhere_too(what: str) -> None:
    with pytest.raises(UsageError) as caught:
        ELSEWHERE[what]()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_a_sentence_of_load() -> None:
    with pytest.raises(UsageError, match="`device` 'cuda' cannot be used here"):
        zoo.load("resnet8-silu-sat-digits", device="cuda")


def test_a_frozen_script_is_measured_as_the_network_that_it_was(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    def verdicts(model: nn.Module) -> tuple[str, ...]:
        return evaluate(model, tiny_data, attack="pgd-2").images.verdicts

    traced = torch.jit.trace(tiny_net, tiny_data.tensors(1)[0])  # type: ignore[no-untyped-call]
    assert verdicts(torch.jit.freeze(traced)) == verdicts(tiny_net)
