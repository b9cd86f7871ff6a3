"""Deliberate faults of a model, and of the way to it, each of which the doctor names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision import transforms as T
from torchvision.transforms import functional as F

import zoo
from zoo.model import ZooModel
from zoo.preprocess import for_card

Stored = Callable[[str], ZooModel]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Faulty(nn.Module):
    """A model, with something done to its images and its logits."""

    def __init__(self, right: ZooModel, before: Any = None, after: Any = None) -> None:
        super().__init__()
        self.right = right
        self.before, self.after = before or nn.Identity(), after or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.right(self.before(x)))  # type: ignore[no-any-return]


def other_statistics(right: ZooModel, x: Tensor) -> Tensor:
    """So that `right` sees them normalised by ImageNet's mean and std."""
    return F.normalize(x, *map(list, IMAGENET)) * right.std + right.mean


def rounded(x: Tensor, n_bits: int = 13) -> Tensor:
    """float32 without its last bits, as TF32 takes it."""
    return (x.view(torch.int32) >> n_bits << n_bits).view(torch.float32)


def in_tf32(right: ZooModel) -> Faulty:
    for module in right.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data = rounded(module.weight.data)
            module.register_forward_pre_hook(lambda _, x: (rounded(x[0]),))
    return Faulty(right)


class Casting(Faulty):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


MODEL_FAULTS: dict[str, tuple[str, Callable[[ZooModel], nn.Module]]] = {
    "other mean and std": ("mean/std", lambda m: Faulty(m, lambda x: other_statistics(m, x))),
    "no normalisation": ("mean/std", lambda m: Faulty(m, lambda x: x * m.std + m.mean)),
    "normalised twice": ("mean/std", lambda m: Faulty(m, lambda x: (x - m.mean) / m.std)),
    "0 to 255": ("range", lambda m: Faulty(m, lambda x: x * 255)),
    "divided twice": ("range", lambda m: Faulty(m, lambda x: x / 255)),
    "BGR": ("channel order", lambda m: Faulty(m, lambda x: x.flip(1))),
    "turned": ("axes", lambda m: Faulty(m, lambda x: x.transpose(2, 3))),
    "HWC as CHW": (
        "axes",
        lambda m: Faulty(m, lambda x: x.permute(0, 2, 3, 1).reshape(x.shape)),
    ),
    "background class": (
        "label offset",
        lambda m: Faulty(m, after=lambda y: torch.cat([y[:, :1] * 0 - 3, y], 1)),
    ),
    "shifted labels": ("label offset", lambda m: Faulty(m, after=lambda y: y.roll(1, 1))),
    "sorted by name": (
        "class order",
        lambda m: Faulty(m, after=lambda y: y[:, [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]]),
    ),
    "softmax": ("output", lambda m: Faulty(m, after=lambda y: y.softmax(1))),
    "train mode": ("batch norm", lambda m: m.train()),
    "bf16": ("precision", lambda m: m.to(torch.bfloat16)),
    "bf16 autocast": ("precision", Casting),
    "TF32": ("precision", in_tf32),
    "dropout": ("random", lambda m: Faulty(m, nn.Dropout(0.5).train())),
}


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_a_fault_of_the_model_is_named(fault: str, stored: Stored) -> None:
    code, spoil = MODEL_FAULTS[fault]
    findings = zoo.diagnose(spoil(stored("small-opencv")), of="small-opencv")
    assert [cause.code for cause in findings.causes] == [code], findings.causes
    assert not findings.agrees


def test_two_faults_at_once_are_both_named(stored: Stored) -> None:
    right = stored("small-opencv")
    model = Faulty(right, lambda x: other_statistics(right, x.flip(1)), lambda y: y.roll(1, 1))
    codes = {cause.code for cause in zoo.diagnose(model, of="small-opencv").causes}
    assert codes == {"mean/std", "channel order", "label offset"}


def tensor(pixels: Any) -> Tensor:
    return torch.from_numpy(np.asarray(pixels, np.float32) / 255).permute(2, 0, 1)


def resized(edge: int, **how: Any) -> Callable[[Image.Image], Tensor]:
    def act(picture: Image.Image) -> Tensor:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        return T.Compose([T.Resize(edge, **how), T.CenterCrop(32), T.ToTensor()])(upright)  # type: ignore[no-any-return]

    return act


def smoothless(picture: Image.Image) -> Tensor:
    """torchvision's evaluation transform of `small-timm` on tensors, without antialiasing."""
    x = F.pil_to_tensor(picture.convert("RGB")).float()
    x = F.resize(x, 36, T.InterpolationMode.BILINEAR, antialias=False)
    return F.center_crop(x, [32]) / 255


def through(right: ZooModel, change: Callable[[Tensor], Tensor]) -> Callable[[Image.Image], Tensor]:
    own = for_card(right.card)
    return lambda picture: change(tensor(own(picture)))


BICUBIC, NEAREST = T.InterpolationMode.BICUBIC, T.InterpolationMode.NEAREST
PICTURE_FAULTS: dict[str, tuple[str, str, Callable[[ZooModel], Callable[..., Any]]]] = {
    "BGR pictures": ("channel order", "small-opencv", lambda m: through(m, lambda x: x.flip(0))),
    "levels": ("range", "small-opencv", lambda m: through(m, lambda x: 255 * x)),
    "normalised already": (
        "mean/std",
        "small-opencv",
        lambda m: through(m, lambda x: (x - m.mean[0]) / m.std[0]),
    ),
    "nearest": ("resize kernel", "small-opencv", lambda _: resized(64, interpolation=NEAREST)),
    "bicubic of Pillow": (
        "antialiasing",
        "small-opencv",
        lambda _: resized(64, interpolation=BICUBIC),
    ),
    "bilinear without antialiasing": ("antialiasing", "small-timm", lambda _: smoothless),
    "bicubic": (
        "resize kernel",
        "small-timm",
        lambda _: (
            lambda p: T.Compose(
                [T.Resize(36, interpolation=BICUBIC), T.CenterCrop(32), T.ToTensor()]
            )(p.convert("RGB"))
        ),
    ),
    "no crop": (
        "crop",
        "small-timm",
        lambda _: (
            lambda p: T.Compose([T.Resize(32), T.CenterCrop(32), T.ToTensor()])(p.convert("RGB"))
        ),
    ),
    "squashed": (
        "crop",
        "small-timm",
        lambda _: lambda p: T.Compose([T.Resize((32, 32)), T.ToTensor()])(p.convert("RGB")),
    ),
    "turned pictures": (
        "exif",
        "small-timm",
        lambda m: lambda p: tensor(for_card(m.card)(ImageOps.exif_transpose(p))),
    ),
    "mirrored": ("axes", "small-tf", lambda m: lambda p: _floats(m, p).flip(2)),
}


def _floats(right: ZooModel, picture: Image.Image) -> Tensor:
    return torch.from_numpy(for_card(right.card)(picture)).permute(2, 0, 1)


@pytest.mark.parametrize("fault", PICTURE_FAULTS)
def test_a_fault_of_the_way_to_the_model_is_named(fault: str, stored: Stored) -> None:
    code, name, spoil = PICTURE_FAULTS[fault]
    right = stored(name)
    findings = zoo.diagnose(right, preprocess=spoil(right))
    assert [cause.code for cause in findings.causes] == [code], findings.causes
    raw, of_pictures = findings.compared
    assert raw.agrees
    assert not of_pictures.agrees


def test_a_bare_network_behind_a_pipeline_that_normalises_is_right(stored: Stored) -> None:
    right = stored("small-opencv")
    own = for_card(right.card)
    model = right.net

    def normalised(picture: Image.Image) -> Tensor:
        return (tensor(own(picture)) - right.mean[0]) / right.std[0]

    findings = zoo.diagnose(model, of="small-opencv", preprocess=normalised)
    assert findings.agrees, findings
    turned = zoo.diagnose(model, of="small-opencv", preprocess=lambda p: normalised(p).flip(0))
    assert "channel order" in {cause.code for cause in turned.causes}
