"""A copy of which one file is missing: the sentence names that file."""

from pathlib import Path

import pytest

from eval.data import open_data
from eval.data.locate import DataMissing


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("form", ["{}.zip", "{}.tar.gz", "{}"])
@pytest.mark.parametrize("below", ["", "cifar10", "cifar10-jpeg"])
def test_pictures_without_their_order_name_the_order_file(
    tmp_path: Path, split: str, form: str, below: str
) -> None:
    folder = tmp_path / below
    folder.mkdir(exist_ok=True)
    (folder / form.format(split)).touch()
    with pytest.raises(DataMissing, match=rf"{split}_order\.csv, the official order .* missing"):
        open_data("cifar10-jpeg", data_dir=tmp_path, split=split)


@pytest.mark.parametrize("split", ["test", "train"])
def test_an_order_without_its_pictures_names_the_archives(tmp_path: Path, split: str) -> None:
    (tmp_path / f"{split}_order.csv").write_text("file,class\n")
    with pytest.raises(DataMissing, match=rf"put {split}\.zip, {split}\.tar\.gz or the folder"):
        open_data("cifar10-jpeg", data_dir=tmp_path, split=split)
    with pytest.raises(DataMissing, match=rf"or put {split}\.zip, whose order it is, beside"):
        open_data("cifar10", data_dir=tmp_path, split=split)
