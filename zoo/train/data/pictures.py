"""Training pictures in files: class folders, WebDataset shards, the Hub's parquet; decoded ahead.

Worker processes decode and augment while the network trains. What happens to a picture depends on
the seed, the epoch and the picture alone, not on the number of decoders or where a run resumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from eval.attacks.random import image_key
from eval.data import ImageSet, open_folder
from eval.data.decoded import Decoded
from eval.data.files.entries import is_picture, is_system
from eval.data.files.files import PictureSource, picture_set
from eval.data.files.parquet import list_parquet
from eval.data.files.pictures import read_picture, to_rgb
from eval.data.files.stores import PictureStore, list_folder, list_tars, only
from eval.data.imagenet.imagenet import synsets
from eval.data.locate import data_root, not_found, places
from eval.errors import DataError
from zoo.cards import ModelCard
from zoo.preprocess import for_card
from zoo.train.recipe import Recipe, check_for_data

_SUBFOLDERS = ("imagenet", "imagenet-1k", "ILSVRC2012", "ILSVRC/Data/CLS-LOC")
_PARQUET = ("", "data", "train", "default/train")
_WANTED = "train/ with class folders, *train*.tar shards of .jpg and .cls, train*.parquet"
_WHOLE_PICTURE = (1.0, 1.0)


@dataclass(frozen=True, eq=False)
class PictureFeed:
    """A feed of picture files. A batch is decoded by `n_decoders` processes."""

    data: ImageSet
    store: PictureStore
    info: ModelCard
    recipe: Recipe
    n_decoders: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.data)

    def batches(
        self, positions: list[Tensor], generator: torch.Generator, *, epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Feed.batches`."""
        if not positions:
            return
        pin = self.device.type == "cuda"
        loader: DataLoader[Tensor | DataError] = DataLoader(
            _Decoded(self.store, self.data, self.info.input.size, self.recipe, epoch),
            batch_sampler=[batch.tolist() for batch in positions],
            num_workers=max(1, self.n_decoders),
            pin_memory=pin,
            collate_fn=_collate,
        )
        layout = torch.channels_last if self.recipe.channels_last else torch.contiguous_format
        labels = torch.from_numpy(self.data.labels.copy())
        try:
            for batch, images in zip(positions, loader, strict=True):
                if isinstance(images, DataError):
                    raise images
                x = images.to(self.device, non_blocking=pin).float() / 255
                yield x.contiguous(memory_format=layout), labels[batch].to(self.device)
        except RuntimeError as problem:
            if "DataLoader worker" not in str(problem):
                raise
            raise DataError(
                f"a process that decodes pictures died ({problem}); it may have run out of memory"
            ) from problem


class _Decoded(Dataset["Tensor | DataError"]):
    """Item k: picture k of the set, decoded and augmented, (C, H, W) uint8.

    What is wrong with a picture is handed over, not raised: the loader would wrap its own words
    and a traceback of the worker around the sentence.
    """

    def __init__(
        self, store: PictureStore, data: ImageSet, size: int, recipe: Recipe, epoch: int
    ) -> None:
        self.store = store
        self.rows = data.rows
        self.epoch = epoch
        self.seed = recipe.seed
        self.change = transform(size, recipe)

    def __getitem__(self, position: int) -> Tensor | DataError:
        from PIL import Image

        row = int(self.rows[position])
        try:
            pixels = read_picture(self.store.read(row), self.store.where(row), to_rgb)
        except DataError as problem:
            return problem
        picture = Image.fromarray(pixels)
        torch.manual_seed(image_key(self.seed, f"{self.epoch} {row}", "augment"))
        changed: Tensor = self.change(picture)
        return changed


def _collate(items: list[Tensor | DataError]) -> Any:
    """The pictures as one (B, C, H, W) tensor, or the first that could not be read."""
    problems = (item for item in items if isinstance(item, DataError))
    return next(problems, None) or default_collate(items)


def transform(size: int, recipe: Recipe) -> Any:
    """A PIL picture to (3, size, size) uint8, changed at random with torch's global stream.

    Crop by area and aspect, resized by cubic; then colours, mirror, RandAugment as the recipe
    says. Without `random_crop` the picture is squeezed to the size.
    """
    from torchvision.transforms import v2

    area = recipe.random_crop or _WHOLE_PICTURE
    aspect = (3 / 4, 4 / 3) if recipe.random_crop else (1.0, 1.0)
    cubic = v2.InterpolationMode.BICUBIC
    steps: list[Any] = [v2.RandomResizedCrop(size, area, aspect, interpolation=cubic)]
    if recipe.random_crop is None:
        steps = [v2.Resize((size, size), interpolation=cubic)]
    if recipe.color_jitter:
        steps.append(v2.ColorJitter(*[recipe.color_jitter] * 3))
    if recipe.flip:
        steps.append(v2.RandomHorizontalFlip())
    if recipe.randaugment_ops:
        ops, magnitude = recipe.randaugment_ops, recipe.randaugment_magnitude
        steps.append(v2.RandAugment(ops, magnitude, num_magnitude_bins=31))
    return v2.Compose([*steps, v2.PILToTensor()])


def open_pictures(name: str, info: ModelCard, data_dir: Path | None) -> ImageSet:
    """The training pictures called `name`, "imagenet" or "folder", behind the card's preprocessing.

    imagenet: class folders of synsets in train/, WebDataset shards, or parquet files. folder: the
    user's own class folders. Raises DataError if there are none, or classes the model lacks.
    """
    if name == "folder":
        data = open_folder(data_dir, preprocess=for_card(info))
    else:
        data = _imagenet(info, data_dir)
    if data.n_classes > info.classes:
        raise DataError(
            f"{name} has {data.n_classes} classes, {info.name} has {info.classes}; train a model"
            " with as many"
        )
    return data


def feed(
    data: ImageSet, info: ModelCard, recipe: Recipe, device: torch.device, n_decoders: int
) -> PictureFeed:
    """The feed of a set from `open_pictures`, or of a selection of one.

    Raises UsageError for settings that would do nothing to picture files.
    """
    check_for_data(recipe, in_memory=False)
    files = data.source.inner if isinstance(data.source, Decoded) else data.source
    if not isinstance(files, PictureSource):
        raise DataError(f"{data.name} is no set of picture files")
    return PictureFeed(data, files.store, info, recipe, n_decoders, device)


def _imagenet(info: ModelCard, data_dir: Path | None) -> ImageSet:
    root = data_root(data_dir, "imagenet")
    for folder in places(root, _SUBFOLDERS):
        found = _tree(folder / "train") or _shards(folder) or _parquet(folder)
        if found is not None:
            store, labels, layout = found
            return picture_set(
                store,
                labels,
                [f"{i}:{name}" for i, name in enumerate(store.names)],
                for_card(info),
                name="imagenet",
                split="train",
                n_classes=max(labels) + 1,
                official_subset=False,
                layout=layout,
            )
    raise not_found("imagenet", "train", _WANTED, root)


_Found = tuple[PictureStore, list[int], str] | None


def _tree(folder: Path) -> _Found:
    if not folder.is_dir():
        return None
    store = list_folder(folder)
    label_of = {synset: label for label, synset in enumerate(synsets())}
    labels = []
    for name in store.names:
        synset = name.split("/")[0]
        if synset not in label_of:
            raise DataError(
                f"{folder / name} lies in no folder of one of ImageNet's 1,000 synsets; for"
                " pictures of your own use `data='folder'`"
            )
        labels.append(label_of[synset])
    return (store, labels, "class folders") if labels else None


def _shards(folder: Path) -> _Found:
    paths = sorted(path for path in folder.glob("*train*.tar") if not is_system(path.name))
    if not paths:
        return None
    listed = list_tars(paths)
    samples: dict[tuple[Path, str], dict[str, int]] = {}
    for index, name in enumerate(listed.names):
        key, _, suffix = name.rpartition(".")
        samples.setdefault((listed.pieces[index].archive, key), {})[suffix.lower()] = index
    pictures, labels = [], []
    for (path, key), sample in samples.items():
        picture = next((i for suffix, i in sample.items() if is_picture(f"x.{suffix}")), None)
        if picture is None:
            continue
        try:
            labels.append(int(listed.read(sample["cls"])))
        except (KeyError, ValueError):
            raise DataError(f"{path}: {key} has no .cls file with a number beside it") from None
        pictures.append(picture)
    return only(listed, pictures), labels, f"WebDataset, {len(paths)} shards"


def _parquet(folder: Path) -> _Found:
    for name in _PARQUET:
        paths = sorted((folder / name).glob("train*.parquet"))
        if paths:
            store = list_parquet(paths, ("image", "img"))
            return store, list(store.labels), f"parquet, {len(paths)} files"
    return None
