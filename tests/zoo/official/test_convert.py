import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eval.errors import UsageError, WeightsMismatch
from eval.files.writing import sha256_of
from zoo import networks
from zoo.cards import ModelCard
from zoo.official import convert, import_checkpoint, load_tf
from zoo.official.format.tensor_bundle import TensorBundle
from zoo.registry import card as find_card
from zoo.weights.store import Store

Write = Callable[..., Path]
Variables = dict[str, np.ndarray[Any, Any]]
Make = Callable[..., Variables]
SHADOW = "/ExponentialMovingAverage"


@pytest.fixture
def variables(make_variables: Make, resnet_card: ModelCard) -> Variables:
    return make_variables(resnet_card)


def test_the_state_dict_is_the_networks_own(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    state = load_tf(resnet_card, write_bundle(tmp_path / "x", variables))
    network = networks.build(resnet_card)
    assert list(state) == list(network.state_dict())
    network.load_state_dict(state, strict=True)
    assert torch.equal(state["fc.weight"], torch.from_numpy(variables["linear/W"].T.copy()))


def test_a_bgr_checkpoint_becomes_an_rgb_network(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    prefix = write_bundle(tmp_path / "x", variables)
    kernel = torch.from_numpy(variables["conv0/W"])
    rgb = load_tf(resnet_card, prefix)["conv1.weight"]
    for channel in range(3):
        assert torch.equal(rgb[:, 2 - channel], kernel[:, :, channel].permute(2, 0, 1))


def test_the_channel_order_can_be_overruled(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    prefix = write_bundle(tmp_path / "x", variables)
    swapped = load_tf(resnet_card, prefix)
    straight = load_tf(resnet_card, prefix, channel_order="RGB")
    assert torch.equal(swapped["conv1.weight"], straight["conv1.weight"].flip(1))
    del swapped["conv1.weight"], straight["conv1.weight"]
    assert all(torch.equal(swapped[key], straight[key]) for key in swapped)
    with pytest.raises(UsageError, match="channel order 'bgr': choose one of RGB, BGR"):
        load_tf(resnet_card, prefix, channel_order="bgr")  # type: ignore[arg-type]


def test_smoothrelu_keeps_its_raw_parameters(
    tmp_path: Path, write_bundle: Write, make_variables: Make, smoothrelu_card: ModelCard
) -> None:
    variables = make_variables(smoothrelu_card)
    state = load_tf(smoothrelu_card, write_bundle(tmp_path / "x", variables))
    assert state["act1.raw"].tolist() == variables["conv0/smoothrelu_beta"].tolist()
    after_conv2 = variables["group1/block2/conv2/smoothrelu_beta"].tolist()
    assert state["layer2.2.act2.raw"].tolist() == after_conv2
    after_addition = variables["group3/block0/smoothrelu_beta"].tolist()
    assert state["layer4.0.act3.raw"].tolist() == after_addition


def test_what_training_left_over_is_skipped(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    plain = load_tf(resnet_card, write_bundle(tmp_path / "plain", variables))
    leftovers = {
        "global_step": np.array(5, "int64"),
        "learning_rate": np.array(0.1, "float32"),
        "EMA/train-error-top1/biased": np.array(0.5, "float32"),
        "conv0/W/RMSProp": variables["conv0/W"],
        "conv0/W/RMSProp_1": variables["conv0/W"],
        f"conv0/W{SHADOW}": variables["conv0/W"] + 1,
        **{f"{name}/Momentum": array for name, array in variables.items() if "EMA" not in name},
    }
    full = load_tf(resnet_card, write_bundle(tmp_path / "full", variables | leftovers))
    assert all(torch.equal(plain[key], full[key]) for key in plain)


@pytest.mark.parametrize("name", ["conv9/W", "conv9/W/Momentum", "conv0/W/Adam", "xEMA/a"])
def test_a_variable_that_nobody_knows_is_refused(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard, name: str
) -> None:
    prefix = write_bundle(tmp_path / "x", variables | {name: np.ones((2, 3), "float32")})
    said = rf"not a checkpoint of small-resnet: it holds {name} of shape \(2, 3\), which the"
    with pytest.raises(WeightsMismatch, match=said):
        load_tf(resnet_card, prefix)


def test_a_missing_variable_is_named_with_its_shape(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    del variables["group1/block2/conv2/bn/mean/EMA"], variables["linear/b"]
    said = r"it has no group1/block2/conv2/bn/mean/EMA, the network needs float32 of shape \(4,\)"
    with pytest.raises(WeightsMismatch, match=said):
        load_tf(resnet_card, write_bundle(tmp_path / "x", variables))


def test_another_models_checkpoint_names_the_first_difference_and_both_shapes(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    wider = resnet_card.model_copy(update={"arch_args": {"channels": (4, 4, 16, 8)}})
    said = (
        r"its group2/block0/conv1/W is float32 of shape \(1, 1, 16, 8\),"
        r" the network needs float32 of shape \(1, 1, 16, 16\)"
    )
    with pytest.raises(WeightsMismatch, match=said):
        load_tf(wider, write_bundle(tmp_path / "x", variables))


def test_a_variable_of_another_type_is_refused(
    tmp_path: Path, write_bundle: Write, variables: Variables, resnet_card: ModelCard
) -> None:
    variables["linear/b"] = variables["linear/b"].astype("float64")
    said = r"its linear/b is float64 of shape \(5,\), the network needs float32"
    with pytest.raises(WeightsMismatch, match=said):
        load_tf(resnet_card, write_bundle(tmp_path / "x", variables))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(
    tmp_path: Path,
    write_bundle: Write,
    variables: Variables,
    resnet_card: ModelCard,
    value: float,
) -> None:
    variables["linear/b"][3] = value
    with pytest.raises(WeightsMismatch, match="linear/b holds values that are not finite"):
        load_tf(resnet_card, write_bundle(tmp_path / "x", variables))


def test_moving_averages_are_taken_when_asked_for_and_only_then(
    tmp_path: Path,
    write_bundle: Write,
    make_variables: Make,
    variables: Variables,
    resnet_card: ModelCard,
) -> None:
    shadows = make_variables(resnet_card, suffix=SHADOW)
    both = write_bundle(tmp_path / "both", variables | shadows)
    weights = write_bundle(tmp_path / "weights", variables)
    averages = {name.removesuffix(SHADOW): array for name, array in shadows.items()}
    averaged = load_tf(resnet_card, write_bundle(tmp_path / "averages", averages))
    for ema, expected in ((None, load_tf(resnet_card, weights)), (True, averaged)):
        state = load_tf(resnet_card, both, ema=ema)
        assert all(torch.equal(state[key], expected[key]) for key in expected)


def test_the_card_decides_about_moving_averages(
    tmp_path: Path,
    write_bundle: Write,
    make_variables: Make,
    variables: Variables,
    resnet_card: ModelCard,
) -> None:
    assert resnet_card.official
    enhanced = resnet_card.model_copy(
        update={"official": resnet_card.official.model_copy(update={"ema": True})}
    )
    shadows = make_variables(resnet_card, suffix=SHADOW)
    alone = load_tf(enhanced, write_bundle(tmp_path / "alone", shadows))
    both = load_tf(enhanced, write_bundle(tmp_path / "both", variables | shadows))
    assert all(torch.equal(alone[key], both[key]) for key in alone)


def test_weights_and_moving_averages_are_never_mixed(
    tmp_path: Path,
    write_bundle: Write,
    make_variables: Make,
    variables: Variables,
    resnet_card: ModelCard,
) -> None:
    shadows = make_variables(resnet_card, suffix=SHADOW)
    del shadows[f"linear/b{SHADOW}"]
    prefix = write_bundle(tmp_path / "x", variables | shadows)
    said = f"lacks 1 of the 267 moving averages to import for small-resnet: linear/b{SHADOW};"
    with pytest.raises(WeightsMismatch, match=said):
        load_tf(resnet_card, prefix, ema=True)


def test_a_checkpoint_of_moving_averages_alone_says_how_to_import_them(
    tmp_path: Path, write_bundle: Write, make_variables: Make, resnet_card: ModelCard
) -> None:
    prefix = write_bundle(tmp_path / "x", make_variables(resnet_card, suffix=SHADOW))
    with pytest.raises(WeightsMismatch, match=r"only the moving average of conv0/W: .*`ema=True`"):
        load_tf(resnet_card, prefix)


def test_an_efficientnet_is_found_under_the_scope_of_the_file(
    tmp_path: Path, write_bundle: Write, make_variables: Make
) -> None:
    model = find_card("efficientnet-b0-sat").model_copy(update={"classes": 2})
    variables = make_variables(model, scope="any-scope/")
    norm = "any-scope/blocks_0/tpu_batch_normalization/gamma"
    variables[norm] = variables[norm].reshape(1, 1, 1, 1, -1)
    state = load_tf(model, write_bundle(tmp_path / "x", variables, per_block=32))
    assert state["blocks.0.0.bn1.weight"].tolist() == variables[norm].ravel().tolist()
    assert torch.equal(
        state["conv_stem.weight"],
        torch.from_numpy(variables["any-scope/stem/conv2d/kernel"]).permute(3, 2, 0, 1),
    )


def test_a_checkpoint_of_another_family_lacks_the_stem(
    tmp_path: Path, write_bundle: Write, variables: Variables
) -> None:
    prefix = write_bundle(tmp_path / "x", variables)
    with pytest.raises(WeightsMismatch, match="it has no efficientnet-b0/stem/conv2d/kernel, the"):
        load_tf("efficientnet-b0-sat", prefix)


def test_a_model_that_was_not_released_cannot_be_imported(
    tmp_path: Path, bare_card: ModelCard
) -> None:
    with pytest.raises(UsageError, match="small-bare has no official TensorFlow checkpoint"):
        load_tf(bare_card, tmp_path / "x")


def test_an_import_is_stored_with_its_provenance(
    tmp_path: Path,
    write_bundle: Write,
    variables: Variables,
    resnet_card: ModelCard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "find_card", lambda name: resnet_card)
    variables["global_step"] = np.array(7, "int64")
    prefix = write_bundle(tmp_path / "Res50-small", variables)
    store = Store(tmp_path / "store")
    path = import_checkpoint("small-resnet", prefix, store=store)
    stored = store.find("small-resnet")
    assert stored
    assert (stored.path, stored.sha256) == (path, sha256_of(path))
    expected, found = load_tf(resnet_card, prefix), load_file(path)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    facts = json.loads((path.parent / "provenance.json").read_text("utf-8"))
    assert facts["name"] == "small-resnet"
    assert facts["prefix"] == "Res50-small"
    assert facts["channel_order"] == {"checkpoint": "BGR", "stored": "RGB"}
    assert facts["moving_averages"] is False
    assert (facts["variables_used"], facts["variables_skipped"]) == (267, {"global_step": 1})
    assert facts["files"] == {
        file.name: {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
        for file in TensorBundle(prefix).files
    }


def test_a_refused_import_stores_nothing(
    tmp_path: Path,
    write_bundle: Write,
    variables: Variables,
    resnet_card: ModelCard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convert, "find_card", lambda name: resnet_card)
    variables["linear/b"][0] = np.nan
    prefix = write_bundle(tmp_path / "x", variables)
    with pytest.raises(WeightsMismatch):
        import_checkpoint("small-resnet", prefix, store=Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()
