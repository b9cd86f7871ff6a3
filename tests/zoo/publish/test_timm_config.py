import json
from pathlib import Path

import pytest
import timm
import torch
from timm.layers import get_act_layer

import zoo
from eval.errors import SatZooError
from zoo import networks
from zoo.activations.activations import ACTIVATIONS
from zoo.publish.timm_config import TIMM_ACTIVATIONS, config, prove, timm_model

B0 = "efficientnet-b0-sat"
EXPRESSIBLE = [name for name in zoo.list_models() if timm_model(zoo.card(name))]


def test_the_efficientnets_up_to_b7_are_the_ones_that_timm_can_build() -> None:
    assert {f"efficientnet-b{n}-sat" for n in range(8)} == set(EXPRESSIBLE)


@pytest.mark.parametrize("ours", TIMM_ACTIVATIONS)
def test_an_activation_of_timm_is_ours_in_value_and_derivative(ours: str) -> None:
    results = []
    for layer in (ACTIVATIONS[ours](), get_act_layer(TIMM_ACTIVATIONS[ours])()):
        x = torch.linspace(-6, 6, 1001).requires_grad_()
        y = layer(x)
        results.append((y.detach(), torch.autograd.grad(y.sum(), x)[0]))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("name", ["efficientnet-b1-sat", "efficientnet-b7-sat"])
def test_timms_network_has_our_tensors_and_our_batch_norm(name: str) -> None:
    card = zoo.card(name)
    said = config(card, {})
    with torch.device("meta"):
        ours = networks.build(card)
        theirs = timm.create_model(said["architecture"], **said["model_args"])
    shapes = [{k: tuple(v.shape) for k, v in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert {m.eps for m in theirs.modules() if hasattr(m, "running_var")} == {1e-5}


def test_config_says_how_pictures_become_input() -> None:
    data = config(zoo.card("efficientnet-b4-sat"), {})["pretrained_cfg"]
    assert data["input_size"] == [3, 380, 380]
    assert data["mean"] == data["std"] == [0.5, 0.5, 0.5]
    assert data["crop_pct"] == 380 / 412
    assert (data["interpolation"], data["classifier"]) == ("bicubic", "classifier")


@pytest.mark.parametrize(
    "name",
    [
        "resnet8-silu-sat-digits",  # an architecture that timm lacks
        "resnet50-silu-sat",  # the max-pool differs
        "resnet50-smoothrelu-sat",  # an activation that timm lacks
        "efficientnet-l1-sat",
    ],
)
def test_what_timm_cannot_build_does_not_pretend(name: str, tmp_path: Path) -> None:
    said = config(zoo.card(name), {"sha256": "0" * 64})
    assert said["library_name"] == "sat-zoo"
    assert "the Python package sat-zoo" in said["sat_zoo"]["needs"]
    assert said["sat_zoo"]["load"] == f'zoo.load("{name}")'
    (tmp_path / "config.json").write_text(json.dumps(said))
    with pytest.raises(KeyError, match="architecture"):
        timm.create_model(f"local-dir:{tmp_path}")


def test_an_activation_of_ours_alone_is_no_timm_model_on_any_network() -> None:
    card = zoo.card(B0)
    for activation in set(ACTIVATIONS) - set(TIMM_ACTIVATIONS):
        assert timm_model(card.model_copy(update={"activation": activation})) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"bn_eps": 0.1}, "logits differ"),
        ({"act_layer": "relu"}, "logits differ"),
        ({"in_chans": 1}, "size mismatch"),
    ],
)
def test_a_config_that_computes_something_else_is_refused(
    change: dict[str, object], problem: str
) -> None:
    model = zoo.load(B0, pretrained=False)
    said = config(model.card, {})
    prove(said, model)
    said["model_args"] |= change
    with pytest.raises(SatZooError, match=problem):
        prove(said, model)
