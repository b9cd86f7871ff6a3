"""From a picture to pixels by the transforms of timm and torchvision, for models of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.data.files.pictures import to_rgb

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class TimmEval:
    """timm's evaluation transform up to, and without, the normalisation.

    interpolation, crop_pct, crop_mode: as in timm's `pretrained_cfg`.
    mean: of the model's normalisation; crop_mode "border" fills with it.
    """

    interpolation: str
    crop_pct: float
    crop_mode: str
    mean: tuple[float, ...]

    def __call__(self, picture: Image.Image, size: int, channels: int) -> NDArray[np.uint8]:
        """The picture as (size, size, channels) uint8: resized, then its centre is cut out.

        timm rounds to 8 bits before it normalises, so nothing is lost here against its own
        pipeline. EXIF orientation is ignored, as timm does.
        """
        from PIL import Image
        from timm.data import create_transform

        image = Image.fromarray(to_rgb(picture)) if channels == 3 else picture.convert("L")
        transform = create_transform(
            (channels, size, size),
            interpolation=self.interpolation,
            crop_pct=self.crop_pct,
            crop_mode=self.crop_mode,
            mean=self.mean,
            normalize=False,
        )
        pixels: NDArray[np.uint8] = transform(image).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(pixels)


def center_crop(picture: Image.Image, size: int, channels: int) -> NDArray[np.uint8]:
    """What torchvision's CenterCrop does alone: (size, size, channels) uint8, nothing resized.

    A picture that is smaller gets a black border, as there. EXIF orientation is ignored.
    """
    from PIL import Image
    from torchvision.transforms.functional import center_crop as cropped

    image = Image.fromarray(to_rgb(picture)) if channels == 3 else picture.convert("L")
    return np.asarray(cropped(image, [size, size])).reshape(size, size, channels)
