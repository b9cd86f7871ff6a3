"""From real ImageNet files through loader, preprocessing and network to a Report."""

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from eval import evaluate
from eval.data import ImageSet, open_data
from eval.data.imagenet import imagenet
from zoo.preprocess import for_card, preprocess
from zoo.registry import card

RESNET, RESNET_380, EFFICIENTNET = (
    "resnet50-silu-sat",
    "resnet50-silu-380-sat",
    "efficientnet-b0-sat",
)
# More than the 32 pictures from which on decoders are started; grey and tiny ones are among them.
N = 40


@pytest.fixture(scope="module")
def validation(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the sample as if they were validation ones: true names, true classes."""
    val = tmp_path_factory.mktemp("imagenet") / "val"
    chosen = sorted((shared / "data/imagenet-sample").glob("n*/*.JPEG"))[::3][:N]
    for path in chosen:
        label = imagenet.synsets().index(path.parent.name)
        number = int(np.flatnonzero(imagenet.val_labels() == label)[0]) + 1
        (val / path.parent.name).mkdir(parents=True)
        shutil.copy(path, val / path.parent.name / f"ILSVRC2012_val_{number:08d}.JPEG")
    return val.parent


@pytest.fixture(scope="module")
def networks() -> Callable[[str], nn.Module]:
    """Random weights; the ResNets of both sizes are one network."""
    first = {card(model).arch: model for model in (RESNET, EFFICIENTNET)}
    return cache(lambda arch: zoo.load(first[arch], pretrained=False))


def opened(folder: Path, model: str, *, n_decoders: int = 0) -> ImageSet:
    return open_data(
        "imagenet",
        data_dir=folder,
        preprocess=for_card(card(model)),
        allow_partial=True,
        n_decoders=n_decoders,
    )


def expected_pixels(folder: Path, images: ImageSet, model: str) -> str:
    """The digest by another way: file by file, without loader, decoders or batches."""
    spec = card(model).input
    digest = hashlib.sha256()
    for one in images.ids:
        path = next(folder.rglob(f"{one}.JPEG"))
        pixels = preprocess(path, spec.preprocess, spec.size)
        levels = pixels if pixels.dtype == np.uint8 else np.rint(pixels * np.float32(255))
        digest.update(levels.astype(np.uint8).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("model", "size", "n"), [(RESNET, 224, 2), (RESNET_380, 380, 1), (EFFICIENTNET, 224, 2)]
)
def test_real_files_become_a_report(
    validation: Path, networks: Callable[[str], nn.Module], model: str, size: int, n: int
) -> None:
    images = opened(validation, model).take(n)
    network = networks(card(model).arch)
    report = evaluate(network, images, attack="clean", eps="4/255", batch_size=1, name=model)
    assert images.batch([0]).x.shape == (1, 3, size, size)
    assert (report.data.name, report.data.n, report.data.official_subset) == (
        "imagenet-partial", n, False,
    )  # fmt: skip
    assert report.data.pixels_sha256 == expected_pixels(validation, images, model)
    assert report.data.ids_sha256 == hashlib.sha256("\n".join(images.ids).encode()).hexdigest()
    with torch.inference_mode():
        right = network(images.batch(range(n)).x).argmax(1) == torch.from_numpy(
            images.labels.copy()
        )
    assert report.clean.correct == int(right.sum())
    assert report.images.ids == images.ids
    assert [imagenet.val_labels()[int(one[-8:]) - 1] for one in images.ids] == list(
        report.images.labels
    )


@pytest.mark.parametrize("model", [RESNET, EFFICIENTNET])
def test_ids_and_pixels_do_not_depend_on_decoders_or_batches(validation: Path, model: str) -> None:
    alone, several = (opened(validation, model, n_decoders=k) for k in (0, 2))
    assert len(alone) == N
    assert several.ids_sha256 == alone.ids_sha256
    assert several.pixels_sha256() == alone.pixels_sha256()
    fresh = opened(validation, model, n_decoders=2)
    pieces = torch.cat([batch.x for batch in fresh.batches(7)])
    assert torch.equal(pieces[::9], alone.batch(range(0, N, 9)).x)
    assert several.labels.tolist() == alone.labels.tolist()


def test_the_networks_preprocessings_differ_where_the_official_ones_do(validation: Path) -> None:
    resnet, efficientnet = (opened(validation, model) for model in (RESNET, EFFICIENTNET))
    assert resnet.ids_sha256 == efficientnet.ids_sha256
    assert resnet.take(4).pixels_sha256() != efficientnet.take(4).pixels_sha256()


def test_the_list_of_robustbench_chooses_pictures_by_path(validation: Path) -> None:
    images = opened(validation, RESNET)
    chosen = [images.ids[5], images.ids[2]]
    lines = [f"{next(validation.rglob(f'{one}.JPEG')).parent.name}/{one}.JPEG" for one in chosen]
    assert images.select_ids(lines).ids == tuple(chosen)
