"""Random changes of a batch of uint8 pixels, where they lie."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.train.recipe import Recipe


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Translate, mirror and, if the recipe asks, RandAugment: (B, C, H, W) uint8 to the same.

    Each image has its own draw; all of them follow `generator`. RandAugment takes white to be 255.
    It goes image by image, where the rest takes the batch at once: it can cost more than a small
    network's step.
    """
    if recipe.shift_pixels:
        images = shift(images, recipe.shift_pixels, generator)
    if recipe.flip:
        coins = torch.rand(len(images), generator=generator, device=generator.device)
        is_mirrored = (coins < 0.5).to(images.device)[:, None, None, None]
        images = torch.where(is_mirrored, images.flip(3), images)
    if recipe.randaugment_ops:
        images = _randaugment(images, recipe, generator)
    return images


def shift(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Translate each image by up to `pixels` in both directions, filling with black."""
    n, _, height, width = images.shape
    padded = F.pad(images, [pixels] * 4)
    offset = torch.randint(
        0, 2 * pixels + 1, (2, n), generator=generator, device=generator.device
    ).to(images.device)
    rows = offset[0, :, None] + torch.arange(height, device=images.device)
    columns = offset[1, :, None] + torch.arange(width, device=images.device)
    batch = torch.arange(n, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )


def mix(x: Tensor, y: Tensor, recipe: Recipe, n_classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Mixup and CutMix as timm has them: images (B, C, H, W) and labels (B,) -> shares (B, K).

    timm mixes a batch with its reverse, so an odd last image stays as it is.
    Source: Zhang et al. 2018, arXiv 1710.09412; Yun et al. 2019, arXiv 1905.04899.
    """
    import numpy as np
    from timm.data import Mixup

    mixup = Mixup(  # type: ignore[no-untyped-call]
        mixup_alpha=recipe.mixup_alpha,
        cutmix_alpha=recipe.cutmix_alpha,
        label_smoothing=0.0,
        num_classes=n_classes,
    )
    before = np.random.get_state()  # timm draws from NumPy's global stream
    try:
        np.random.seed(seed % 2**32)
        n = len(x) - len(x) % 2
        mixed, shares = mixup(x[:n].clone(), y[:n]) if n else (x[:0], y.new_zeros(0, n_classes))
    finally:
        np.random.set_state(before)
    rest = F.one_hot(y[n:], n_classes)
    return torch.cat([mixed, x[n:]]), torch.cat([shares.to(x.dtype), rest.to(x.dtype)])


def _randaugment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    from torchvision.transforms.v2 import RandAugment

    change = RandAugment(
        num_ops=recipe.randaugment_ops,
        magnitude=recipe.randaugment_magnitude,
        num_magnitude_bins=31,
    )
    seed = torch.randint(2**31, (), generator=generator, device=generator.device)
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # torchvision draws from torch's global stream
        torch.manual_seed(int(seed))
        return torch.stack([change(image) for image in images])
