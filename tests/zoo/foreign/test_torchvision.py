"""Classifiers of torchvision by name, with random weights where torchvision looks for its own."""

import functools
import hashlib
import http.server
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import models

import zoo
from eval.errors import ModelError, UsageError, WeightsMismatch, WeightsUnavailable
from tests.commandline import Done
from zoo.foreign.transforms import resized, spec_of
from zoo.preprocess import for_card
from zoo.wanted import wanted

MODEL = "squeezenet1_1"
KIND = models.SqueezeNet1_1_Weights.IMAGENET1K_V1
NAME = f"torchvision:{MODEL}/IMAGENET1K_V1"


def saved(state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def random_state() -> dict[str, Any]:
    torch.manual_seed(0)
    return models.get_model(MODEL).state_dict()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Says that the weights of `NAME` are these bytes; returns the name of their file."""

    def say(content: bytes, base: str = "http://127.0.0.1:1") -> str:
        file = f"squeezenet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        monkeypatch.setattr(KIND.value, "url", f"{base}/{file}")
        return file

    return say


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    one = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{one.server_port}", folder
    one.shutdown()
    one.server_close()


def test_a_model_is_what_torchvision_makes_with_its_normalisation(
    hub: Path, publish: Callable[..., str]
) -> None:
    content = saved(random_state())
    (hub / publish(content)).write_bytes(content)
    model = zoo.load(NAME)
    theirs = models.get_model(MODEL, weights=KIND).eval()
    x = torch.rand(2, 3, 224, 224)
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in (KIND.transforms().mean, KIND.transforms().std)
    )
    assert torch.equal(model(x), theirs((x - mean) / std))
    assert model.source == "library"
    assert model.file_sha256 == hashlib.sha256(content).hexdigest()
    assert model.card.parameters == sum(p.numel() for p in theirs.parameters())
    assert not any(p.requires_grad for p in model.parameters())


def test_weights_come_through_torchvision_into_its_own_cache(
    hub: Path, publish: Callable[..., str], server: tuple[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    base, folder = server
    content = saved(random_state())
    file = publish(content, base)
    (folder / file).write_bytes(content)
    assert zoo.load(NAME).file_sha256 == hashlib.sha256(content).hexdigest()
    assert (hub / file).read_bytes() == content
    assert capsys.readouterr().out == "", "stdout belongs to the answer"


def test_what_came_is_held_to_the_digest_in_its_name(
    hub: Path, publish: Callable[..., str], server: tuple[str, Path]
) -> None:
    base, folder = server
    file = publish(b"promised", base)
    (folder / file).write_bytes(saved(random_state()))
    with pytest.raises(WeightsMismatch, match="is not what its name promises"):
        zoo.load(NAME)
    assert not list(hub.iterdir())


@pytest.mark.parametrize("state", [random_state, lambda: {"other": torch.zeros(1)}])
def test_a_file_that_was_here_is_held_to_it_too(
    hub: Path, publish: Callable[..., str], state: Callable[[], Any]
) -> None:
    # torchvision itself checks only what it fetches.
    (hub / publish(b"promised")).write_bytes(saved(state()))
    with pytest.raises(WeightsMismatch, match=r"its name promises .* delete it to have it fetched"):
        zoo.load(NAME)


def test_no_network_is_one_sentence_with_the_place_for_the_file(
    hub: Path, publish: Callable[..., str]
) -> None:
    file = publish(b"x")
    with pytest.raises(WeightsUnavailable, match=rf"cannot fetch the weights.*{hub / file}"):
        zoo.load(NAME)


class Running:
    def __reduce__(self) -> Any:
        return (eval, ("1",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved({"x": Running()}), "asks for eval to be called"),
        (b"<html>sign in to the network</html>", "it is a web page"),
        (saved(random_state())[:-100], "no whole file of torch.save"),
    ],
)
def test_a_file_that_could_run_code_or_is_none_is_refused(
    hub: Path, publish: Callable[..., str], content: bytes, message: str
) -> None:
    path = hub / publish(content)
    path.write_bytes(content)
    with pytest.raises(WeightsMismatch, match=rf"{message}.*delete {path}"):
        zoo.load(NAME)


def test_default_is_resolved_to_the_weights_that_it_stands_for() -> None:
    assert wanted("torchvision:resnet50/DEFAULT").card.name == "torchvision:resnet50/IMAGENET1K_V2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51/DEFAULT", "unknown classifier of torchvision 'resnet51': did you mean resnet50"),
        ("resnet50/IMAGENET1K_V3", "unknown weights of .* did you mean IMAGENET1K_V"),
        ("resnet50", "says no weights: write torchvision:resnet50/WEIGHTS, one of IMAGENET1K_V1"),
        ("vgg16/IMAGENET1K_FEATURES", "weights of no classifier"),
        ("quantized_resnet18/DEFAULT", "no gradients.*torchvision:resnet18/DEFAULT"),
        ("fcn_resnet50/DEFAULT", "unknown classifier"),
        ("../resnet50/DEFAULT", "unknown classifier"),
    ],
)
def test_what_is_no_classifier_with_weights_is_told(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wanted(f"torchvision:{name}")


def test_what_torchvision_says_cannot_be_said_otherwise() -> None:
    with pytest.raises(UsageError, match=r"`interpolation` bicubic: .* as its library says"):
        zoo.load(NAME, crop_pct=0.9, interpolation="bicubic")


@pytest.mark.parametrize("model", ["googlenet", "inception_v3"])
def test_networks_that_change_with_weights_are_built_so_without_them(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = models.get_model_weights(model).DEFAULT
    with torch.device("meta"):
        bare = wanted(f"torchvision:{model}/DEFAULT").library.bare()  # type: ignore[union-attr]
        state = models.get_model(model, init_weights=False, aux_logits=True).state_dict()
    zeros = {name: torch.zeros(value.shape) for name, value in state.items()}
    monkeypatch.setattr(type(kind), "get_state_dict", lambda *_, **__: zeros)
    filled = models.get_model(model, weights=kind)
    assert [name for name, _ in bare.named_modules()] == [n for n, _ in filled.named_modules()]
    assert bare.transform_input is filled.transform_input is True


CLASSIFIERS = [
    (name, kind)
    for name in models.list_models(module=models)
    for kind in models.get_model_weights(name)
    if kind.meta["categories"]
]


def test_every_classifier_has_a_card() -> None:
    assert len(CLASSIFIERS) > 100
    for name, kind in CLASSIFIERS:
        info, how = wanted(f"torchvision:{name}/{kind.name}").card, kind.transforms()
        assert info.input.size == how.crop_size[0]
        assert int(info.input.size / (info.input.crop_pct or 1)) == how.resize_size[0]
        assert (info.input.mean, info.input.std) == (tuple(how.mean), tuple(how.std))
        assert how.antialias


def transforms() -> list[tuple[str, Any]]:
    """One model of each size, crop and kernel."""
    found = {}
    for name, kind in CLASSIFIERS:
        how = kind.transforms()
        key = (how.crop_size[0], how.resize_size[0], how.interpolation.value)
        found.setdefault(key, (f"torchvision:{name}/{kind.name}", how))
    return list(found.values())


@pytest.mark.parametrize(("name", "how"), transforms(), ids=lambda one: str(one)[:60])
def test_pixels_are_those_of_torchvisions_own_transforms(name: str, how: Any, shared: Path) -> None:
    files = sorted((shared / "data/imagenet-sample").glob("n*/*.JPEG"))[::50]
    pipeline, mean, std = for_card(wanted(name).card), torch.tensor(how.mean), torch.tensor(how.std)
    for file in files:
        with Image.open(file) as picture:
            theirs = how(picture.convert("RGB"))
            ours = torch.from_numpy(pipeline(picture)).permute(2, 0, 1).float() / 255
        assert torch.equal((ours - mean[:, None, None]) / std[:, None, None], theirs), file.name


def test_every_resize_that_timm_cannot_say_is_refused() -> None:
    for resize in range(1, 700):
        for crop in {1, max(1, resize // 2), resize}:
            said = resized(resize, crop, "bilinear", "x")
            assert int(crop / said["crop_pct"]) == resize
    for bad in ((100, 200, "bilinear"), (200, 100, "nearest-exact")):
        with pytest.raises(ModelError, match="is not done here"):
            resized(*bad, "x")


def test_other_steps_than_resize_and_crop_are_refused() -> None:
    from torchvision import transforms as steps

    for wrong in (
        [steps.Resize((256, 256)), steps.CenterCrop(224), steps.ToTensor()],
        [steps.CenterCrop((224, 200)), steps.ToTensor()],
        [steps.Resize(256), steps.ToTensor()],
        [steps.RandomCrop(32), steps.ToTensor()],
        [],
    ):
        with pytest.raises(ModelError, match="is not done here"):
            spec_of(wrong, "x")


def test_what_is_shown_says_preprocessing_and_place(
    hub: Path, sat_zoo: Callable[..., Done]
) -> None:
    done = sat_zoo("show", "torchvision:resnet50/DEFAULT")
    assert done.code == 0
    for said in ("torchvision:resnet50/IMAGENET1K_V2", "bilinear to 232", "download.pytorch.org"):
        assert said in done.out


def test_the_command_asks_for_the_threat_that_no_card_says(sat_zoo: Callable[..., Done]) -> None:
    done = sat_zoo("eval", NAME)
    assert done.code == 2
    assert "has no threat model of its own: give --norm Linf" in done.err


def test_an_unknown_place_is_told_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"unknown place of models 'torchvison:'.* torchvision:"):
        zoo.load("torchvison:resnet50/DEFAULT")
