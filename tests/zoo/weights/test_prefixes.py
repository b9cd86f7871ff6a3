"""Weight files whose names carry a wrapper's prefix: what is said, and what the option takes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

import zoo
from eval.errors import UsageError, WeightsMismatch
from zoo.registry import FAMILIES
from zoo.weights.prefixes import taken

NAME = "resnet8-silu-sat-digits"
BUNDLED = FAMILIES / "digits" / f"{NAME}.safetensors"
PLAIN = load_file(BUNDLED)
N = len(PLAIN)
State = dict[str, Tensor]
Load = Callable[..., State]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads tensors from a file into the small model; gives the network's state."""

    def loaded(tensors: State, **said: Any) -> State:
        path = tmp_path / "w.safetensors"
        save_file({name: value.clone() for name, value in tensors.items()}, path)
        return zoo.load(NAME, weights=path, **said).net.state_dict()

    return loaded


def under(prefix: str, tensors: State = PLAIN, factor: float = 1.0) -> State:
    return {
        f"{prefix}{name}": value * factor if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def same(found: State, expected: State = PLAIN) -> bool:
    return all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "_orig_mod.", "model.", "ema.", "model_ema.", "shadow."),
        *("module._orig_mod.", "state_dict.module.", "ema_model.module.", "model.model.", "a.b.c."),
    ],
)
def test_the_sentence_names_the_prefix_and_the_option_that_strips_it(
    load: Load, prefix: str
) -> None:
    said = (
        f"its names carry the prefix '{prefix}': `strip_prefix` {prefix}"
        f' (strip_prefix="{prefix}") takes {N} of its {N} tensors'
    )
    with pytest.raises(WeightsMismatch, match=re.escape(said)):
        load(under(prefix))
    assert same(load(under(prefix), strip_prefix=prefix))


@given(parts=st.lists(st.sampled_from(["module", "ema", "model", "x1", "_orig_mod"]), min_size=1))
def test_whatever_the_prefix_what_stands_behind_it_is_taken(parts: list[str]) -> None:
    prefix = ".".join(parts) + "."
    names = dict.fromkeys(PLAIN)
    assert taken(under(prefix), names.keys(), prefix).keys() == names.keys()


def test_a_file_with_plain_and_averaged_weights_must_be_answered(load: Load) -> None:
    both = PLAIN | under("ema.", factor=2)
    n = len([name for name in PLAIN if not name.endswith("num_batches_tracked")])
    said = (
        f"it holds 2 sets of weights: `strip_prefix` '' (strip_prefix=\"\") takes the {n} that have"
        f' the network\'s own names, `strip_prefix` ema. (strip_prefix="ema.") takes the {n} under'
        " 'ema.'"
    )
    with pytest.raises(WeightsMismatch, match=re.escape(said)):
        load(both)
    assert same(load(both, strip_prefix=""))
    assert same(load(both, strip_prefix="ema."), under("", factor=2))


def test_two_sets_that_both_carry_a_prefix_are_both_named(load: Load) -> None:
    both = under("online.module.") | under("target.module.", factor=2) | {"step": torch.ones(1)}
    with pytest.raises(WeightsMismatch, match=r"2 sets.*online\.module\..*target\.module\."):
        load(both)
    assert same(load(both, strip_prefix="target.module."), under("", factor=2))


def test_averages_of_parameters_alone_are_never_mixed_with_plain_statistics(load: Load) -> None:
    averages = {name: v for name, v in PLAIN.items() if name.endswith(("weight", "bias"))}
    both = PLAIN | under("ema.", averages, factor=2)
    said = r"`strip_prefix` '' .*, those under 'ema\.' lack \d+ tensors .* 'bn1.running_mean'"
    with pytest.raises(WeightsMismatch, match=said):
        load(both)
    with pytest.raises(WeightsMismatch, match=f"the network has the tensor .*{said}"):
        load(both, strip_prefix="ema.")
    assert same(load(both, strip_prefix=""))


def test_where_only_a_part_carries_the_prefix_it_is_said_and_all_are_taken(load: Load) -> None:
    mixed = {n if n.startswith("fc.") else f"module.{n}": v for n, v in PLAIN.items()}
    said = r"tensors carry the prefix 'module\.' and the others have the network's own names: "
    with pytest.raises(WeightsMismatch, match=rf"\d+ of its {N} {said}`strip_prefix` module\. "):
        load(mixed)
    assert same(load(mixed, strip_prefix="module."))


def test_a_part_that_is_no_whole_set_is_named_with_what_it_lacks(load: Load) -> None:
    part = {n: v for n, v in under("model.").items() if not n.startswith("model.fc.")}
    with pytest.raises(WeightsMismatch, match=r"'model\.', which `strip_prefix` .* 'fc\.bias'"):
        load(part)
    with pytest.raises(WeightsMismatch, match=r"the network has the tensor 'fc\.bias' and"):
        load(part, strip_prefix="model.")


def test_what_is_left_out_is_counted_and_named(load: Load) -> None:
    more = under("module.") | {"n_averaged": torch.tensor(7), "normalize.mean": torch.zeros(3)}
    said = rf"takes {N} of its {N + 2} tensors and leaves 2, the first 'n_averaged'"
    with pytest.raises(WeightsMismatch, match=said):
        load(more)
    assert same(load(more, strip_prefix="module."))


def test_half_of_a_nested_prefix_leads_to_the_whole(load: Load) -> None:
    nested = under("module._orig_mod.")
    with pytest.raises(WeightsMismatch, match=r"`strip_prefix` module\._orig_mod\. "):
        load(nested, strip_prefix="module.")


def test_a_prefix_that_no_tensor_carries_is_named_with_the_right_one(load: Load) -> None:
    with pytest.raises(WeightsMismatch, match=r"begins with 'ema\.' .*: its names carry .*'model"):
        load(under("model."), strip_prefix="ema.")
    with pytest.raises(WeightsMismatch, match=r"begins with 'ema\.' .*: the first is 'bn1.bias'"):
        load(PLAIN, strip_prefix="ema.")


def test_a_tensor_too_many_under_the_prefix_is_refused(load: Load) -> None:
    more = under("module.") | {"module.head.weight": torch.zeros(2)}
    with pytest.raises(WeightsMismatch, match=r"the file has the tensor 'head\.weight'.*very"):
        load(more, strip_prefix="module.")


def test_wrappers_inside_of_names_are_named(load: Load) -> None:
    inside = {n.replace("layer1.", "layer1.module."): v for n, v in PLAIN.items()}
    with pytest.raises(WeightsMismatch, match=r"a part of its network was wrapped \('layer1\.mod"):
        load(inside)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_batch_counters_may_be_missing(load: Load, prefix: str) -> None:
    fewer = {n: v for n, v in under(prefix).items() if not n.endswith("num_batches_tracked")}
    assert len(fewer) < N
    found = load(fewer, **({"strip_prefix": prefix} if prefix else {}))
    assert same(found, {n.removeprefix(prefix): v for n, v in fewer.items()})


def test_batch_counters_may_be_more_or_of_another_shape(load: Load) -> None:
    more = {"layer9.bn.num_batches_tracked": torch.tensor(1)}
    assert same(load(PLAIN | more))
    assert load(PLAIN | {"bn1.num_batches_tracked": torch.ones(1)})


def test_whole_numbers_are_no_weights(load: Load) -> None:
    quantised = PLAIN | {"fc.weight": PLAIN["fc.weight"].mul(100).to(torch.int8)}
    with pytest.raises(WeightsMismatch, match=r"'fc\.weight' is torch\.int8 and the network"):
        load(quantised)


def test_a_file_of_another_network_says_nothing_of_prefixes(load: Load) -> None:
    with pytest.raises(WeightsMismatch, match="use the weights of this very model"):
        load({"a.b": torch.zeros(1), "c": torch.zeros(2)})


def test_a_foreign_file_is_stripped_too(tmp_path: Path) -> None:
    card = zoo.card(NAME)
    path = tmp_path / "mine.safetensors"
    save_file(under("module."), path)
    said: dict[str, Any] = {
        "arch": card.arch, "arch_args": card.arch_args, "activation": "silu", "classes": 10,
        "size": 8, "mean": card.input.mean, "std": card.input.std,
    }  # fmt: skip
    with pytest.raises(WeightsMismatch, match=r"`strip_prefix` module\. "):
        zoo.load(str(path), **said)
    assert same(zoo.load(str(path), **said, strip_prefix="module.").net.state_dict())


def test_the_zoos_own_weights_have_no_prefix() -> None:
    with pytest.raises(
        UsageError, match=r"`strip_prefix` module\.: the weights of resnet8-.* have"
    ):
        zoo.load(NAME, strip_prefix="module.")
