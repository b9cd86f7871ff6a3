"""Strangers' models, from a Hub on loopback through the unmodified client."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save
from torch import Tensor, nn

import zoo
from eval.errors import ModelError, SatZooError, UsageError, WeightsMismatch, WeightsUnavailable
from tests.hubserver import HubServer
from zoo.cards import ForeignCard
from zoo.foreign import config as foreign_hub
from zoo.registry import FAMILIES

REPO, NAME = "org/net", "hf-hub:org/net"
CONFIG: dict[str, Any] = {
    "architecture": "resnet10t",
    "num_classes": 5,
    "model_args": {"act_layer": "silu"},
    "pretrained_cfg": {
        "input_size": [3, 32, 32],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.3, 0.4],
        "interpolation": "bilinear",
        "crop_pct": 0.95,
        "first_conv": "conv1.0",
        "classifier": "fc",
    },
}
Publish = Callable[..., str]


@pytest.fixture
def publish(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publish:
    """Commits a config and tensors to REPO; the client then asks this Hub, with an empty cache."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))

    def add(config: Any, tensors: dict[str, Tensor] | None = None, **others: bytes) -> str:
        files = {name.replace("__", "."): content for name, content in others.items()}
        files["config.json"] = config if isinstance(config, bytes) else json.dumps(config).encode()
        if tensors is not None:
            files["model.safetensors"] = save(tensors)
        return hub.add(REPO, files)

    return add


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    net: nn.Module = timm.create_model("resnet10t", num_classes=5)
    return net.state_dict()


def changed(config: dict[str, Any] = CONFIG, **pretrained_cfg: Any) -> dict[str, Any]:
    merged = {**config["pretrained_cfg"], **pretrained_cfg}
    return {**config, "pretrained_cfg": {k: v for k, v in merged.items() if v is not None}}


def test_a_timm_model_gives_the_logits_that_timm_gives(
    publish: Publish, tensors: dict[str, Tensor]
) -> None:
    commit = publish(CONFIG, tensors)
    model = zoo.load(NAME, dataset="cifar10")
    theirs = timm.create_model(f"{NAME}@{commit}", pretrained=True).eval()
    x = torch.rand(2, 3, 32, 32)
    mean, std = (
        torch.tensor(CONFIG["pretrained_cfg"][k]).view(1, 3, 1, 1) for k in ("mean", "std")
    )
    torch.testing.assert_close(model(x), theirs((x - mean) / std), atol=1e-5, rtol=1e-5)
    info = model.card
    assert (model.source, info.name) == ("hub", f"{NAME}@{commit}")
    assert (info.classes, info.dataset, info.activation) == (5, "cifar10", "silu")
    spec = info.input
    assert (spec.preprocess, spec.interpolation, spec.crop_pct) == ("timm-eval", "bilinear", 0.95)
    assert isinstance(info, ForeignCard)
    assert info.parameters == sum(p.numel() for p in theirs.parameters())


def test_a_flat_config_of_old_is_read_too(publish: Publish, tensors: dict[str, Tensor]) -> None:
    flat = {**CONFIG["pretrained_cfg"], "architecture": "resnet10t", "num_classes": 5}
    publish(flat, tensors)
    assert zoo.load(NAME).card.input.mean == (0.4, 0.5, 0.6)


def test_tensors_of_an_older_layout_are_converted_by_timm(publish: Publish) -> None:
    args = {"depth": 1, "embed_dim": 12, "num_heads": 2, "img_size": 32}
    config = {
        **changed(first_conv="patch_embed.proj", classifier="head"),
        "architecture": "vit_tiny_patch16_224",
        "model_args": args,
    }
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", num_classes=5, **args).eval()
    old = dict(net.state_dict())
    old["patch_embed.proj.weight"] = old["patch_embed.proj.weight"].flatten(1).contiguous()
    publish(config, old)
    model = zoo.load(NAME)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(model.net.state_dict()[name], value, atol=0, rtol=0)


def test_a_model_that_sat_zoo_published_is_its_card(publish: Publish, hub: HubServer) -> None:
    name = "resnet8-silu-sat-digits"
    section = {"card": zoo.card(name).model_dump(mode="json")}
    content = (FAMILIES / "digits" / f"{name}.safetensors").read_bytes()
    publish({"library_name": "sat-zoo", "sat_zoo": section}, model__safetensors=content)
    model = zoo.load(NAME)
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(model(x), zoo.load(name)(x), atol=0, rtol=0)
    assert model.card.threat == zoo.card(name).threat
    assert model.card.dataset == "digits"
    with pytest.raises(UsageError, match=r"`size` 9: the card of hf-hub:org/net@.* says it"):
        zoo.load(NAME, size=9)


def test_a_pinned_revision_is_kept_and_a_branch_is_followed(
    publish: Publish, tensors: dict[str, Tensor], hub: HubServer
) -> None:
    first = publish(CONFIG, tensors)
    second = publish(changed(mean=[0.1, 0.1, 0.1]), tensors)
    assert zoo.load(f"{NAME}@{first}").card.input.mean == (0.4, 0.5, 0.6)
    assert zoo.load(f"{NAME}@main").card.name == f"{NAME}@{second}"
    with pytest.raises(WeightsUnavailable, match="org/net has no revision 'nope'"):
        zoo.load(f"{NAME}@nope")


def test_what_was_fetched_loads_without_a_network(
    publish: Publish, tensors: dict[str, Tensor], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = publish(CONFIG, tensors)
    zoo.load(NAME)
    n_requests = len(hub.requests)
    zoo.load(f"{NAME}@{commit}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert zoo.load(NAME).card.name == f"{NAME}@{commit}"
    assert len(hub.requests) == n_requests
    with pytest.raises(WeightsUnavailable, match=r"other/net: config.json is not in the Hub cache"):
        zoo.load("hf-hub:other/net")


def test_with_the_network_cut_a_branch_is_what_it_was(
    publish: Publish, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = publish(CONFIG, tensors)
    zoo.load(NAME)
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(foreign_hub, "_WAITS_S", ())
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    template = nowhere + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    assert zoo.load(NAME).card.name == f"{NAME}@{commit}"
    with pytest.raises(WeightsUnavailable, match=f"other/net: {nowhere} cannot be reached"):
        zoo.load("hf-hub:other/net")


def test_weights_that_changed_in_the_cache_are_fetched_again(
    publish: Publish, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    commit = publish(CONFIG, tensors)
    zoo.load(NAME)
    (snapshot,) = (tmp_path / "cache").rglob(f"snapshots/{commit}/model.safetensors")
    content = bytearray(snapshot.read_bytes())
    content[-1] ^= 1
    snapshot.resolve().write_bytes(content)
    model = zoo.load(NAME)
    for name, value in model.net.state_dict().items():
        torch.testing.assert_close(value, tensors[name], atol=0, rtol=0)
    times = (snapshot.stat().st_atime_ns, snapshot.stat().st_mtime_ns)
    snapshot.resolve().write_bytes(content)
    os.utime(snapshot, ns=times)  # as a disk that rots: only loading can notice
    with pytest.raises(WeightsMismatch, match="as promised: the file was changed"):
        zoo.load(NAME)


def test_tensors_that_do_not_fit_are_named(publish: Publish, tensors: dict[str, Tensor]) -> None:
    publish(CONFIG, {**tensors, "fc.bias": torch.zeros(7)})
    with pytest.raises(WeightsMismatch, match=r"tensor 'fc.bias' has shape \(7,\), the network ne"):
        zoo.load(NAME)
    publish(CONFIG, {k: v for k, v in tensors.items() if k != "fc.bias"})
    with pytest.raises(WeightsMismatch, match=r"the network has the tensor 'fc.bias'"):
        zoo.load(NAME)


def test_a_pickle_is_never_opened(publish: Publish, hub: HubServer) -> None:
    publish(CONFIG, pytorch_model__bin=b"\x80\x04")
    with pytest.raises(WeightsUnavailable, match=r"no model.safetensors at .*pickle .* can run"):
        zoo.load(NAME)
    assert not hub.seen("pytorch_model.bin")


def test_a_repository_that_is_not_there_is_one_sentence(publish: Publish) -> None:
    with pytest.raises(WeightsUnavailable, match="org/net does not exist on http") as caught:
        zoo.load(NAME)
    assert caught.value.exit_code == 3


def test_preprocessing_that_the_config_does_not_say_is_for_the_user_to_say(
    publish: Publish, tensors: dict[str, Tensor]
) -> None:
    publish(changed(mean=None, std=None, interpolation=None, crop_pct=None), tensors)
    with pytest.raises(
        UsageError, match=r"config.json and nobody says its mean, std: state them, .* `mean=\(0.485"
    ):
        zoo.load(NAME)
    spec = zoo.load(NAME, mean=(0.5, 0.5, 0.5), std=(1, 1, 1)).card.input
    assert (spec.mean, spec.size, spec.preprocess) == ((0.5, 0.5, 0.5), 32, "none")


def test_places_of_other_weights_are_passed_over(
    publish: Publish, tensors: dict[str, Tensor], hub: HubServer
) -> None:
    publish(changed(url=f"{hub.url}/x.pth", hf_hub_id="timm/x", custom_load=True), tensors)
    zoo.load(NAME)
    asked = [request.path.split("?")[0] for request in hub.requests if "/resolve/" in request.path]
    assert {path.split("/")[-1] for path in asked} == {
        "config.json",
        "golden.safetensors",  # asked for beside any weights
        "model.safetensors",
    }


ARGS = "config.json sets the argument"


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (b"<html>", ModelError, "config.json cannot be read .*JSON"),
        (b"[1]", ModelError, "config.json is no JSON object"),
        ({**CONFIG, "auto_map": {"AutoModel": "m.Net"}}, ModelError, r"to be run \(auto_map\)"),
        (changed(custom_code=True), ModelError, r"to be run \(custom_code\), which is never done"),
        ({"a": [{"trust_remote_code": True}]}, ModelError, "asks for code of its repository"),
        (changed(file="/etc/passwd"), ModelError, r"outside of its repository \(file '/etc/pa"),
        (changed(hf_hub_filename="../../x"), ModelError, r"\(hf_hub_filename '../../x'\)"),
        ({**CONFIG, "architecture": "../../x"}, ModelError, "'../../x' is no name of an archit"),
        ({**CONFIG, "architecture": "/abs/net"}, ModelError, "'/abs/net' is no name of an archit"),
        ({**CONFIG, "architecture": "resnet11t"}, ModelError, "unknown architecture of hf-hub:org"),
        ({**CONFIG, "architecture": None}, ModelError, "no 'architecture' of timm, nor a card"),
        (
            {"model_type": "vit", "architectures": ["V"]},
            ModelError,
            "no 'architecture' of timm, nor",
        ),
        ({**CONFIG, "model_args": {"checkpoint_path": "x"}}, ModelError, f"{ARGS} 'checkpoint_pa"),
        ({**CONFIG, "model_args": {"pretrained": True}}, ModelError, f"{ARGS} 'pretrained', which"),
        ({**CONFIG, "model_args": {"stem_type": "/x"}}, ModelError, "stem_type the value '/x', wh"),
        ({**CONFIG, "model_args": {"wings": 2}}, ModelError, "timm cannot build resnet10t with"),
        ({**CONFIG, "model_args": [1]}, ModelError, "model_args in config.json is no JSON object"),
        ({**CONFIG, "pretrained_cfg": 3}, ModelError, "pretrained_cfg in config.json is no JSON"),
        ({**CONFIG, "num_classes": 0}, ModelError, "num_classes 0; a classifier of at least 2"),
        ({k: v for k, v in CONFIG.items() if k != "num_classes"}, ModelError, "num_classes None"),
        (changed(input_size=[3, 32, 64]), ModelError, "is not square"),
        (changed(input_size="big"), ModelError, r"input_size 'big' in config.json is not \[chan"),
        (changed(input_size=[1, 32, 32]), ModelError, "describes 1 channels, but mean has 3"),
        (changed(interpolation="random"), UsageError, "interpolation 'random' is not possible"),
        ({"sat_zoo": {"card": {"name": "x"}}}, ModelError, "the card in config.json is invalid"),
    ],
)
def test_a_config_that_must_not_be_followed_is_one_sentence(
    publish: Publish, config: Any, error: type[SatZooError], message: str
) -> None:
    publish(config)
    with pytest.raises(error, match=message) as caught:
        zoo.load(NAME, pretrained=False)
    assert str(caught.value).startswith(("hf-hub:org/net@", "unknown architecture of hf-hub:"))


def test_a_published_card_is_held_to_the_same_rules(publish: Publish) -> None:
    card = zoo.card("resnet8-silu-sat-digits").model_dump(mode="json")
    for wrong, message in (
        ({"arch": "../x"}, "'../x' is no name of an architecture"),
        ({"arch_args": {"checkpoint_path": "x"}}, f"{ARGS} 'checkpoint_path'"),
    ):
        publish({"sat_zoo": {"card": {**card, **wrong}}})
        with pytest.raises(ModelError, match=message):
            zoo.load(NAME, pretrained=False)


def test_what_the_config_says_is_not_for_the_user_to_say(publish: Publish) -> None:
    with pytest.raises(UsageError, match=r"`arch` resnet50: the config.json of hf-hub:org/net say"):
        zoo.load(NAME, arch="resnet50")
    with pytest.raises(UsageError, match=r"`weights` w.safetensors: hf-hub:org/net is a place of"):
        zoo.load(NAME, weights="w.safetensors")
