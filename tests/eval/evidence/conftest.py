from pathlib import Path

import pytest
import torch
from torch import nn

from eval import evaluate
from eval.adversarial import AdversarialImages
from eval.data import ImageSet, from_tensors
from eval.evidence.file import Evidence


@pytest.fixture(scope="module")
def data(tiny_net: nn.Module) -> ImageSet:
    """24 smooth pictures of 8 bits, two of them labelled as the network does not see them."""
    generator = torch.Generator().manual_seed(5)
    corners = torch.rand(24, 3, 2, 2, generator=generator)
    smooth = nn.functional.interpolate(corners, size=8, mode="bilinear")
    x = (smooth * 255).round() / 255
    y = tiny_net(x).argmax(1)
    y[[3, 17]] = (y[[3, 17]] + 1) % 5
    return from_tensors(x, y)


@pytest.fixture(scope="module")
def plain_file(
    tiny_net: nn.Module, data: ImageSet, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "plain.safetensors"
    evaluate(tiny_net, data, attack="pgd-5", eps="8/255", name="tiny", save_adversarial=path)
    return path


@pytest.fixture(scope="module")
def whole(plain_file: Path, data: ImageSet) -> Path:
    path = plain_file.with_name("packed.safetensors")
    Evidence.of(AdversarialImages.read(plain_file), data).write(path)
    return path
