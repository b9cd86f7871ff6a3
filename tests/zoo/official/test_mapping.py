import json
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.errors import ModelError
from zoo import networks
from zoo.cards import ModelCard
from zoo.official.mapping import Target, mapping
from zoo.registry import card, list_models

N_VARIABLES = {  # model variables of the release, counted in its own graphs
    "satzoo_resnet50": 267,
    "satzoo_resnet101": 522,
    "satzoo_resnet152": 777,
    "satzoo_resnext50_32x4d": 267,
    "satzoo_resnext50_32x8d": 267,
    "satzoo_resnext152_32x8d": 777,
    "satzoo_efficientnet_b0": 311,
    "satzoo_efficientnet_b1": 439,
    "satzoo_efficientnet_b2": 439,
    "satzoo_efficientnet_b3": 496,
    "satzoo_efficientnet_b4": 610,
    "satzoo_efficientnet_b5": 738,
    "satzoo_efficientnet_b6": 852,
    "satzoo_efficientnet_b7": 1037,
    "satzoo_efficientnet_l1": 1189,
}
MANIFESTS = {
    "resnet50-relu": "resnet50-relu-at",
    "resnet50-smoothrelu": "resnet50-smoothrelu-sat",
    "resnext50-32x4d-silu": "resnext50-32x4d-silu-sat",
    "efficientnet-b0": "efficientnet-b0-sat",
    "efficientnet-b1": "efficientnet-b1-sat",
}
OFFICIAL = [name for name in list_models() if card(name).official]
SIZES = {(card(name).arch, card(name).activation == "smoothrelu"): name for name in OFFICIAL}


def targets_of(model: ModelCard, scope: str = "") -> dict[str, Target]:
    with torch.device("meta"):
        network = networks.build(model)
    return mapping(network, scope)


def test_every_released_model_has_its_official_checkpoint() -> None:
    assert len(OFFICIAL) == 24


@pytest.mark.parametrize("name", SIZES.values())
def test_a_model_takes_as_many_variables_as_the_release_has(name: str) -> None:
    n_sites = 49 if card(name).activation == "smoothrelu" else 0
    targets = targets_of(card(name))
    assert len(targets) == N_VARIABLES[card(name).arch] + n_sites
    assert len({target.key for target in targets.values()}) == len(targets)


@pytest.mark.parametrize("fixture", MANIFESTS)
def test_names_and_shapes_are_those_of_tensorflow(shared: Path, fixture: str) -> None:
    manifest = json.loads((shared / "tfparity" / f"{fixture}.json").read_text("utf-8"))
    shapes = {entry["name"]: tuple(entry["shape"]) for entry in manifest["variables"]}
    scope = f"{fixture}/" if fixture.startswith("efficientnet") else ""
    targets = targets_of(card(MANIFESTS[fixture]), scope)
    wrong = {n: t.tf_shape for n, t in targets.items() if not t.accepts(shapes.get(n, ()))}
    assert not wrong


def test_a_kernel_goes_from_hwio_to_oihw() -> None:
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    target = Target("w", (5, 4, 2, 3), "conv")
    turned = target.convert(kernel)
    assert target.tf_shape == kernel.shape
    assert all(turned[o, i, h, w] == kernel[h, w, i, o] for h, w, i, o in np.ndindex(2, 3, 4, 5))


def test_a_depthwise_kernel_goes_from_hwc1_to_c1hw() -> None:
    kernel = np.arange(2 * 3 * 4).reshape(2, 3, 4, 1)
    target = Target("w", (4, 1, 2, 3), "depthwise")
    turned = target.convert(kernel)
    assert target.tf_shape == kernel.shape
    assert all(turned[c, 0, h, w] == kernel[h, w, c, 0] for h, w, c in np.ndindex(2, 3, 4))


def test_a_linear_kernel_is_transposed() -> None:
    kernel = np.arange(6).reshape(2, 3)
    target = Target("w", (3, 2), "linear")
    assert target.tf_shape == (2, 3)
    assert (target.convert(kernel) == kernel.T).all()


@pytest.mark.parametrize(
    ("shape", "is_taken"),
    [((4,), True), ((1, 1, 1, 1, 4), True), ((4, 1), False), ((2, 4), False), ((), False)],
)
def test_batch_norm_arrays_may_have_leading_ones(shape: tuple[int, ...], is_taken: bool) -> None:
    target = Target("bn1.weight", (4,), "vector")
    assert target.accepts(shape) is is_taken
    if is_taken:
        assert target.convert(np.arange(4).reshape(shape)).tolist() == [0, 1, 2, 3]


def test_blocks_that_do_not_expand_project_with_their_first_convolution() -> None:
    targets = targets_of(card("efficientnet-b1-sat"), "s/")
    assert targets["s/blocks_1/conv2d/kernel"].key == "blocks.0.1.conv_pw.weight"
    assert targets["s/blocks_1/tpu_batch_normalization_1/gamma"].key == "blocks.0.1.bn2.weight"
    assert "s/blocks_1/conv2d_1/kernel" not in targets
    assert targets["s/blocks_2/conv2d_1/kernel"].key == "blocks.1.0.conv_pwl.weight"
    assert targets["s/blocks_2/tpu_batch_normalization_2/gamma"].key == "blocks.1.0.bn3.weight"


def test_a_network_of_another_kind_has_no_counterpart() -> None:
    with pytest.raises(ModelError, match="a SmallResNet has no counterpart in the official"):
        targets_of(card("resnet8-silu-sat-digits"))


def test_a_resnet_of_other_blocks_differs_from_the_official_one(resnet_card: ModelCard) -> None:
    basic = resnet_card.model_copy(update={"arch": "resnet18", "arch_args": {}})
    with pytest.raises(ModelError, match=r"differs from the official one in layer1\.0\.conv3"):
        targets_of(basic)
