import gzip
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.datasets import load_digits

from eval.data import digits, open_data
from eval.errors import DataError, UsageError


def test_the_two_splits_are_all_digits_and_share_none() -> None:
    test, train = open_data("digits"), open_data("digits", split="train")
    assert (len(test), len(train)) == (360, 1437)
    assert {int(i) for i in test.ids + train.ids} == set(range(1797))


def test_each_class_gives_a_fifth_of_itself() -> None:
    found = load_digits()
    of_test = digits.indices_of_test(found.target)
    per_class = np.bincount(found.target[of_test], minlength=10)
    assert np.all(np.abs(per_class - np.bincount(found.target) / 5) <= 1)


def test_ids_are_indices_into_the_set_of_scikit_learn() -> None:
    found = load_digits()
    test = open_data("digits")
    batch = test.batch([0, 17, 359])
    for one_id, x, y in zip(batch.ids, batch.x, batch.y, strict=True):
        assert np.array_equal(x[0].numpy() * 16, found.images[int(one_id)])
        assert y == found.target[int(one_id)]


def test_the_split_is_pinned() -> None:
    # Golden: every report about digits names these pictures; the split must never move.
    test = open_data("digits")
    assert test.ids[:5] == ("0", "2", "4", "17", "21")
    assert test.pixels_sha256().startswith("f8da3231f745dc76")
    assert test.ids_sha256.startswith("c915d6abe2fba012")
    assert (test.name, test.split, test.official_subset, test.n_classes) == (
        "digits",
        "test",
        True,
        10,
    )


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(
        UsageError, match="unknown split of digits 'val': choose one of test, train"
    ):
        open_data("digits", split="val")


def test_other_pictures_than_the_known_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "_SHA256", "0" * 64)
    with pytest.raises(
        DataError, match="digits of the installed scikit-learn have sha256 87ff0c9e"
    ):
        open_data("digits")


def scikit_learn_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretends that scikit-learn is installed there; returns where its digits would be."""
    spec = ModuleSpec("sklearn", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(digits, "find_spec", lambda name: {"sklearn": spec}[name])
    file = folder / "datasets" / "data" / "digits.csv.gz"
    file.parent.mkdir(parents=True)
    return file


def test_the_table_is_the_one_that_scikit_learn_reads() -> None:
    found, table = load_digits(), digits._table()
    assert np.array_equal(table[:, :-1], found.data)
    assert np.array_equal(table[:, -1], found.target)


def test_without_scikit_learn_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="there is no scikit-learn, which carries them: install"):
        open_data("digits")


def test_a_module_of_that_name_is_not_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", ModuleType("sklearn"))  # has no spec
    with pytest.raises(DataError, match="there is no scikit-learn, which carries them: install"):
        open_data("digits")


def test_a_scikit_learn_without_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scikit_learn_at(tmp_path, monkeypatch)
    with pytest.raises(DataError, match=f"in {tmp_path} has no datasets/data/digits.csv.gz: inst"):
        open_data("digits")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "sha256|columns|no data"),
        (b"0,1,2", "Not a gzipped file"),
        (gzip.compress(b"0,1,2\n"), "3 columns, not 65"),
        (gzip.compress(b",".join([b"1"] * 65))[:-9], "cannot be read"),
        (gzip.compress(b",".join([b"x"] * 65)), "could not convert"),
        (gzip.compress(b",".join([b"1"] * 65)), "digits of the installed scikit-learn have sha256"),
    ],
    ids=["empty", "plain", "narrow", "cut", "words", "others"],
)
def test_a_damaged_file_is_one_sentence(
    content: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scikit_learn_at(tmp_path, monkeypatch).write_bytes(content)
    with pytest.raises(DataError, match=said):
        open_data("digits")
