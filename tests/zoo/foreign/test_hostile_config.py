"""What a config.json may not say: nonsense, and networks that nobody has."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

import zoo
from eval.errors import ModelError, SatZooError, UsageError, WeightsMismatch
from eval.files.limits import VARIABLE
from tests.bounded import refused
from zoo import networks
from zoo.cards import ForeignCard, InputSpec
from zoo.foreign.stated import Stated
from zoo.hubconfig import card_of_config, read_hub_config
from zoo.weights.file import load_file

WHO = "hf-hub:org/net@1"
CONFIG: dict[str, Any] = {
    "architecture": "resnet10t",
    "num_classes": 5,
    "model_args": {},
    "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3},
}


def card_in(folder: Path, config: Any) -> ForeignCard:
    path = folder / "config.json"
    path.write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    return card_of_config(read_hub_config(path, WHO), Stated(), WHO)


def with_args(**args: Any) -> dict[str, Any]:
    return {**CONFIG, "model_args": args}


def with_cfg(**said: Any) -> dict[str, Any]:
    return {**CONFIG, "pretrained_cfg": {**CONFIG["pretrained_cfg"], **said}}


TEXTS = {
    "nesting": b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "nesting without end": b"[" * 10**6,
    "digits": b'{"num_classes": 1' + b"0" * 10**6 + b"}",
    "10**400 in the mean": json.dumps(with_cfg(mean=[1])).encode().replace(
        b'"mean": [1', b'"mean": [1' + b"0" * 400
    ),
    "NaN": json.dumps(with_cfg(mean=[float("nan")] * 3)).encode(),
    "infinity": json.dumps(with_cfg(std=[float("inf")] * 3)).encode(),
    "a number beyond all": b'{"crop_pct": 1e999}',
    "a key twice": b'{"num_classes": 5, "num_classes": 6}',
    "no UTF-8": b'{"a": "\xff"}',
    "many values": b"[" + b"1," * 10**6 + b"1]",
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_that_no_config_is_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    with refused(ModelError, f"^{WHO}: config.json cannot be read"):
        card_in(tmp_path, text)


def test_a_config_that_is_no_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.symlink_to("/dev/zero")
    with refused(ModelError, r"config.json cannot be read \(it is no regular file\)"):
        read_hub_config(path, WHO)
    path.unlink()
    with path.open("wb") as file:
        file.truncate(10**10)
    with refused(ModelError, r"it has 10,000,000,000 bytes, more than the 4,194,304 allowed"):
        read_hub_config(path, WHO)


ARGUMENTS: list[dict[str, Any]] = [
    {"drop_rate": "x"}, {"drop_rate": 1.5}, {"drop_rate": -0.1}, {"drop_rate": [0.1]},
    {"drop_path_rate": "0.1"}, {"attn_drop_rate": True}, {"global_pool": ""}, {"global_pool": 3},
    {"global_pool": {}}, {"act_layer": 3}, {"act_layer": ""}, {"norm_layer": ["a"]},
    {"num_classes": 3 * 10**6}, {"num_classes": "5"}, {"num_classes": 5.0}, {"in_chans": 0},
    {"in_chans": 10**5}, {"in_chans": True}, {"img_size": 10**6}, {"img_size": [32] * 3},
    {"layers": [10**6]}, {"layers": [10**5] * 2}, {"layers": [1] * 1000}, {"depth": 10**6},
    {"depth": -(10**6)}, {"layers": [[[[[[1]]]]]]}, {"embed_dim": 10**30}, {"mlp_ratio": 1e300},
    {"a": {str(k): 1 for k in range(101)}}, {"a": [[1] * 90] * 90}, {"a": "x" * 300},
]  # fmt: skip


@pytest.mark.parametrize("args", ARGUMENTS, ids=lambda args: str(args)[:40])
def test_arguments_of_no_type_or_size_are_refused_before_anything_is_built(
    tmp_path: Path, args: dict[str, Any]
) -> None:
    with refused(ModelError, f"^{WHO}: .*config.json"):
        card_in(tmp_path, with_args(**args))


SAID: list[dict[str, Any]] = [
    {"mean": [10**9] * 3}, {"mean": "x"}, {"mean": ["0.5"] * 3}, {"mean": [[0.5]] * 3},
    {"mean": [0.5] * 65}, {"mean": {"a": 1}}, {"std": [0.0] * 3}, {"std": [-1] * 3},
    {"std": [1e300] * 3}, {"std": [True] * 3}, {"crop_pct": "x"}, {"crop_pct": 100},
    {"crop_pct": 2.0, "interpolation": "bicubic"}, {"crop_pct": [1]}, {"interpolation": ["a"]},
    {"interpolation": "lanczos9", "crop_pct": 1.0}, {"interpolation": "a" * 10**5, "crop_pct": 1.0},
    {"crop_mode": {}}, {"num_classes": 10**7}, {"pool_size": "x"}, {"pool_size": [10**9, 1]},
    {"first_conv": {"a": 1}}, {"first_conv": ["a"] * 200}, {"classifier": 3},
    {"label_offset": 10**9}, {"label_offset": "1"}, {"fixed_input_size": "no"},
    {"input_size": [3, 10**6, 10**6]}, {"input_size": [10**6, 32, 32]}, {"input_size": [3, 0, 0]},
    {"input_size": [3, -32, -32]}, {"input_size": [3.0, 32.0, 32.0]}, {"input_size": [[3]] * 10**4},
]  # fmt: skip


@pytest.mark.parametrize("said", SAID, ids=lambda said: str(said)[:40])
def test_preprocessing_of_no_type_or_range_is_one_sentence(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    with refused(SatZooError, f"^{WHO}: ") as _:
        card_in(tmp_path, with_cfg(**said))


@pytest.mark.parametrize(
    "said",
    [
        {"classes": 3 * 10**6}, {"classes": 1}, {"classes": -5}, {"arch_args": {"drop_rate": "x"}},
        {"arch_args": {"layers": [10**6]}}, {"threat": {"norm": "Linf", "eps": "1e3000000000"}},
        {"threat": {"norm": "Linf", "eps": "8/0x"}}, {"notes": ["a\x1b[2J"]},
        {"notes": ["x" * 10**5]}, {"dataset": "a\nb"}, {"input": {"size": 10**9}},
        {"input": {"size": 8, "mean": [0.5] * 2, "std": [0.5] * 3}},
        {"input": {"size": 8, "std": [0.0, 1.0, 1.0]}}, {"input": {"size": 8, "channels": 10**6}},
    ],
    ids=lambda said: str(said)[:40],
)  # fmt: skip
def test_a_published_card_has_the_ranges_of_any_config(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    card = {**zoo.card("resnet8-silu-sat-digits").model_dump(mode="json"), **said}
    with refused(ModelError, f"^{WHO}: "):
        card_in(tmp_path, {"sat_zoo": {"card": card}})


@pytest.mark.parametrize(
    ("architecture", "args"),
    [
        ("resnet10t", {"layers": [20_000, 20_000, 20_000, 20_000]}),
        ("resnet10t", {"layers": [90_000, 1, 1, 1]}),
        ("vit_tiny_patch16_224", {"depth": 50_000, "img_size": 32}),
        ("vit_tiny_patch16_224", {"embed_dim": 99_000, "num_heads": 9, "img_size": 32}),
        ("convnext_atto", {"depths": [20_000] * 4}),
    ],
)
def test_a_network_larger_than_any_is_left_while_it_grows(
    tmp_path: Path, architecture: str, args: dict[str, Any]
) -> None:
    card = card_in(tmp_path, {**with_args(**args), "architecture": architecture})
    timm.create_model("resnet10t")  # what the first network imports takes no part in the time
    with refused(ModelError, r"its network cannot be read \(it has [\d,]+ (parts|parameters), or"):
        networks.build(card)


def test_a_network_is_held_against_the_weights_before_it_takes_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"fc.bias": torch.zeros(1000)}, tmp_path / "w.safetensors")
    card = card_in(tmp_path, {**CONFIG, "architecture": "resnet152", "num_classes": 10**6})
    real, seen = networks._create, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        net = real(*args, **kwargs)
        seen.append(next(net.parameters()).device.type)
        return net

    monkeypatch.setattr(networks, "_create", watched)
    with refused(WeightsMismatch, "does not fit: the network has the tensor 'bn1.bias' and the"):
        networks.filled(card, load_file(tmp_path / "w.safetensors").weights())
    assert set(seen) == {"meta"}
    monkeypatch.setenv(VARIABLE, "parameters=1e6")
    with refused(ModelError, r"parameters, or more, more than the 1,000,000 allowed"):
        networks.build(card)


def test_complex_and_scaled_numbers_are_not_converted_by_timm_either(tmp_path: Path) -> None:
    card = card_in(tmp_path, CONFIG).model_copy(update={"timm_cfg": {"first_conv": "conv1.0"}})
    state = timm.create_model("resnet10t", num_classes=5).state_dict()
    for dtype in (torch.bool, torch.int32, torch.int8):
        odd = {**state, "fc.weight": state["fc.weight"].to(dtype)}
        save_file(odd, tmp_path / "w.safetensors")
        with refused(WeightsMismatch, "numbers of another kind are never turned into weights"):
            networks.filled(card, load_file(tmp_path / "w.safetensors").weights())


@pytest.mark.parametrize(
    "arch",
    [
        "resnet50", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "convnext_atto",
        "efficientnet_b0", "mixer_s32_224", "eva02_tiny_patch14_224", "maxvit_rmlp_pico_rw_256",
        "regnety_002", "tf_efficientnetv2_b0", "xcit_nano_12_p16_224", "deit_tiny_patch16_224",
    ],
)  # fmt: skip
def test_networks_that_people_have_are_built(arch: str) -> None:
    spec = InputSpec(size=224, mean=(0.5,) * 3, std=(0.5,) * 3)
    card = ForeignCard(name=arch, arch=arch, classes=10, input=spec)
    started = time.monotonic()
    net = networks.build(card)
    assert next(net.parameters()).device.type == "cpu"
    assert time.monotonic() - started < 120


def test_the_users_own_words_are_held_to_numbers_too() -> None:
    from zoo.foreign.stated import input_spec

    for mean in ((10**400, 0, 0), (float("nan"),) * 3, "x" * 10**5):
        with refused(UsageError, "is not a number for each channel"):
            input_spec(Stated(size=8, mean=mean, std=(1, 1, 1)), {}, "net")  # type: ignore[arg-type]
