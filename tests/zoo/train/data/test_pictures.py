import importlib.util
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from eval.errors import DataError, UsageError
from zoo import card
from zoo.cards import ModelCard
from zoo.train.data.feed import memory_feed, split
from zoo.train.data.pictures import feed, open_pictures, transform
from zoo.train.recipe import Recipe

Make = Callable[..., Recipe]
SYNSETS = ("n01440764", "n01443537", "n01484850")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def info() -> ModelCard:
    """The ImageNet card at a size that is quick."""
    whole = card("resnet50-silu-sat")
    return whole.model_copy(update={"input": whole.input.model_copy(update={"size": 24})})


def jpeg(shade: int) -> bytes:
    stream = io.BytesIO()
    picture = Image.new("RGB", (40, 30), (shade, 255 - shade, 9))
    picture.paste((255, 255, 255), (0, 0, 10, 10))
    picture.save(stream, "JPEG")
    return stream.getvalue()


def tree(folder: Path) -> Path:
    for label, synset in enumerate(SYNSETS):
        (folder / "train" / synset).mkdir(parents=True)
        for number in range(4):
            path = folder / "train" / synset / f"{synset}_{number}.JPEG"
            path.write_bytes(jpeg(60 * label + 10 * number))
    return folder


def shards(folder: Path) -> Path:
    folder.mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"imagenet1k-train-000{shard}.tar", "w") as archive:
            for number in range(6):
                for suffix, content in (("jpg", jpeg(20 * number)), ("cls", b"%d" % (number % 3))):
                    member = tarfile.TarInfo(f"{shard}_{number}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return folder


def parquet(folder: Path) -> Path:
    """The layout of the Hub: several row groups of {bytes, path} and label, in two files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    for part in range(2):
        rows = [{"bytes": jpeg(20 * n + part), "path": f"{part}_{n}.JPEG"} for n in range(6)]
        table = pa.table({"image": rows, "label": [n % 3 for n in range(6)]})
        path = folder / "data" / f"train-0000{part}-of-00002.parquet"
        pq.write_table(table, path, row_group_size=4)
    return folder


needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="needs pyarrow (the extra `parquet`)"
)


def drawn(
    info: ModelCard, recipe: Recipe, folder: Path, **more: Any
) -> list[tuple[Tensor, Tensor]]:
    data = open_pictures("imagenet", info, folder)
    options = {"epoch": 1, "n_decoders": 1} | more
    source = feed(data, info, recipe, CPU, options["n_decoders"])
    order = list(torch.split(torch.tensor([5, 0, 11, 3, 8]), 2))[options.get("skip", 0) :]
    return list(source.batches(order, torch.Generator(), epoch=options["epoch"]))


@pytest.mark.parametrize("layout", [tree, shards, pytest.param(parquet, marks=needs_pyarrow)])
def test_pictures_come_decoded_with_their_labels(
    info: ModelCard, recipe: Make, tmp_path: Path, layout: Callable[[Path], Path]
) -> None:
    batches = drawn(info, recipe(), layout(tmp_path / "data"))
    assert [x.shape for x, _ in batches] == [(2, 3, 24, 24), (2, 3, 24, 24), (1, 3, 24, 24)]
    assert all(float(x.min()) >= 0 and float(x.max()) <= 1 for x, _ in batches)
    labels = torch.cat([y for _, y in batches]).tolist()
    assert labels == ([1, 0, 2, 0, 2] if layout is tree else [2, 0, 2, 0, 2])


@needs_pyarrow
def test_a_row_of_a_parquet_file_is_the_picture_that_lies_there(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    folder = parquet(tmp_path / "data")
    ((first, *_), (x, _), _) = drawn(info, recipe(), folder, n_decoders=2)
    row_11 = Image.open(io.BytesIO(jpeg(101)))  # the last of the second file
    assert torch.equal((255 * x[0]).round().byte(), transform(24, recipe())(row_11))
    assert not torch.equal(first[0], x[0])


@needs_pyarrow
def test_a_damaged_parquet_file_is_named(info: ModelCard, tmp_path: Path) -> None:
    folder = parquet(tmp_path / "data")
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"train-00001-of-00002\.parquet cannot be read"):
        open_pictures("imagenet", info, folder)


def test_what_happens_to_a_picture_depends_on_seed_epoch_and_picture_alone(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    folder = tree(tmp_path / "data")
    changing = recipe(random_crop=[0.3, 1], color_jitter=0.4, flip=True, randaugment_ops=1)
    first = drawn(info, changing, folder)
    resumed = drawn(info, changing, folder, skip=1, n_decoders=2)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first[1:], resumed, strict=True))
    assert not torch.equal(first[0][0], drawn(info, changing, folder, epoch=2)[0][0])
    other = changing.model_copy(update={"seed": 1})
    assert not torch.equal(first[0][0], drawn(info, other, folder)[0][0])


def test_held_out_pictures_are_those_an_evaluation_would_see(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    data = open_pictures("imagenet", info, tree(tmp_path / "data"))
    parts = split(data, recipe(validation_images=3))
    assert parts.validation is not None
    held_out = memory_feed(parts.validation, info, recipe(), CPU)
    assert held_out.images.shape == (3, 3, 24, 24)
    exact = parts.validation.batch([0, 1, 2]).x
    assert float((held_out.as_float(held_out.images) - exact).abs().max()) <= 0.5 / 255 + 1e-6
    assert not set(parts.validation.ids) & set(parts.training.ids)
    # A selection keeps its pictures: position 0 of the rest is not row 0 of the whole.
    rest = feed(parts.training, info, recipe(), CPU, 1)
    ((x, y),) = rest.batches([torch.arange(len(rest))], torch.Generator(), epoch=1)
    assert y.tolist() == parts.training.labels.tolist()
    assert len(x) == 9


def test_without_changes_a_picture_is_squeezed_to_the_size(recipe: Make) -> None:
    picture = Image.effect_mandelbrot((30, 20), (-1, -1, 1, 1), 20).convert("RGB")
    changed = transform(16, recipe())(picture)
    assert changed.shape == (3, 16, 16)
    assert changed.dtype == torch.uint8


def test_missing_and_foreign_pictures_are_named(info: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "note").write_text("")
    with pytest.raises(DataError, match=r"imagenet \(train\) was not found: .* train/ with class"):
        open_pictures("imagenet", info, tmp_path / "empty")
    folder = tree(tmp_path / "data")
    (folder / "train" / "cats").mkdir()
    (folder / "train" / "cats" / "1.jpg").write_bytes(jpeg(1))
    with pytest.raises(DataError, match=r"cats/1\.jpg lies in no folder of one of ImageNet's"):
        open_pictures("imagenet", info, folder)
    few = info.model_copy(update={"classes": 2})
    with pytest.raises(DataError, match="folder has 4 classes, resnet50-silu-sat has 2"):
        open_pictures("folder", few, folder / "train")


def test_a_picture_that_cannot_be_decoded_is_named(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    folder = tree(tmp_path / "data")
    (folder / "train" / SYNSETS[0] / f"{SYNSETS[0]}_0.JPEG").write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        drawn(info, recipe(), folder)
    message = str(caught.value)
    path = folder / "train" / SYNSETS[0] / f"{SYNSETS[0]}_0.JPEG"
    assert message.startswith(f"{path} cannot be decoded as a picture: ")
    assert "Traceback" not in message
    assert "Caught" not in message
    assert "\n" not in message


def test_a_picture_without_a_range_of_pixels_is_named(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    folder = tree(tmp_path / "data")
    path = folder / "train" / SYNSETS[0] / f"{SYNSETS[0]}_0.JPEG"
    Image.new("F", (30, 30)).save(path, "TIFF")
    with pytest.raises(DataError) as caught:
        drawn(info, recipe(), folder)
    assert str(caught.value).startswith(f"{path}: pixels of mode F have no defined range")
    assert "\n" not in str(caught.value)


def test_a_setting_that_would_do_nothing_to_picture_files_is_refused(
    info: ModelCard, recipe: Make, tmp_path: Path
) -> None:
    data = open_pictures("imagenet", info, tree(tmp_path / "data"))
    with pytest.raises(UsageError, match="shift_pixels: 4 is for images in memory"):
        feed(data, info, recipe(shift_pixels=4), CPU, 1)
