import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.data import from_arrays, read_ids
from eval.errors import UsageError

N = 40
SET = from_arrays(np.zeros((N, 2, 2), np.uint8), [i * i % 4 for i in range(N)])


@given(st.integers(1, N), st.integers(1, N), st.integers(0, 5), st.booleans())
def test_a_larger_subset_contains_the_smaller_one(n: int, m: int, seed: int, fair: bool) -> None:
    small, large = sorted((n, m))
    few = SET.subset(small, seed=seed, balanced=fair).ids
    many = SET.subset(large, seed=seed, balanced=fair).ids
    assert len(few) == small
    assert set(few) <= set(many)
    assert list(few) == sorted(few, key=int)


@given(st.integers(1, N), st.integers(0, 5))
def test_a_balanced_subset_takes_classes_in_turn(n: int, seed: int) -> None:
    have = Counter(SET.labels.tolist())
    drawn = Counter(SET.subset(n, seed=seed, balanced=True).labels.tolist())
    unused = [drawn[label] for label in have if drawn[label] < have[label]]
    if unused:  # a class with images left has had as many turns as any, up to the last one
        assert max(drawn.values()) - min(unused) <= 1


@given(st.permutations(range(N)), st.integers(1, N))
def test_a_subset_depends_on_ids_and_seed_alone(order: list[int], n: int) -> None:
    shuffled = SET.select(order)
    assert set(shuffled.subset(n, seed=3).ids) == set(SET.subset(n, seed=3).ids)


def test_another_seed_draws_other_images_and_the_draw_is_pinned() -> None:
    assert SET.subset(10, seed=0).ids != SET.subset(10, seed=1).ids
    # Golden: reports name subsets by their seed.
    assert SET.subset(4, seed=0).ids == ("1", "8", "9", "15")
    with pytest.raises(UsageError, match="n = 41 is not possible"):
        SET.subset(41, seed=0)


def test_ids_are_taken_in_the_order_given() -> None:
    assert SET.select_ids(["7", "3"]).ids == ("7", "3")
    with pytest.raises(UsageError, match=r"unknown id of custom .all. 'x'"):
        SET.select_ids(["7", "x", "y"])
    with pytest.raises(UsageError, match=r"the id '7' of custom .all. is given twice"):
        SET.select_ids(["7", "7"])


@pytest.mark.parametrize(
    "written",
    [
        "ILSVRC2012_val_00000293",
        "ILSVRC2012_val_00000293.JPEG",
        "n01440764/ILSVRC2012_val_00000293.JPEG",  # as in RobustBench's list
        "val/n01440764/ILSVRC2012_val_00000293.JPEG",
        "val\\n01440764\\ILSVRC2012_val_00000293.jpeg",
        "ILSVRC2012_val_00000293_n01440764.JPEG",
    ],
)
def test_an_id_of_imagenet_may_be_written_as_a_path(written: str) -> None:
    ids = ["ILSVRC2012_val_00002138", "ILSVRC2012_val_00000293"]
    images = from_arrays(np.zeros((2, 2, 2), np.uint8), [0, 0], ids)
    assert images.select_ids([written]).ids == ("ILSVRC2012_val_00000293",)
    with pytest.raises(UsageError, match=f"the id {re.escape(repr(written))} .* is given twice"):
        images.select_ids(["ILSVRC2012_val_00000293", written])
    with pytest.raises(UsageError, match=r"unknown id .* 'n01440764/ILSVRC2012_val_00000294.JPEG'"):
        images.select_ids([written, "n01440764/ILSVRC2012_val_00000294.JPEG", "gone"])


def test_a_file_of_ids_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_text("# chosen by hand\n7\n\n  3 \n")
    assert read_ids(path) == ("7", "3")
    path.write_bytes(b"\xef\xbb\xbf7\r\n3\r\n")  # as saved on Windows
    assert read_ids(path) == ("7", "3")
    path.write_text("\n# nothing\n")
    with pytest.raises(UsageError, match=r"`read_ids\(.*ids.txt'\)` names no id"):
        read_ids(path)
    with pytest.raises(UsageError, match=r"`read_ids\(.*gone'\)` cannot be read"):
        read_ids(tmp_path / "gone")
