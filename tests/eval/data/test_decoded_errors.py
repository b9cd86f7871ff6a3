"""What cannot be decoded is said as it is without a cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eval.data import ImageSet, open_folder
from eval.errors import DataError
from tests.eval.data.conftest import undecoded

N = 50


@pytest.mark.parametrize("n_before", [0, 41, N - 1])
def test_a_picture_that_cannot_be_decoded_gives_the_same_error(folder: Path, n_before: int) -> None:
    bad = folder / "c1/040.png"
    bad.write_bytes(bad.read_bytes()[:50])
    images = open_folder(folder, n_decoders=0)
    readable = [i for i, one in enumerate(images.ids) if one != "c1/040.png"][:n_before]
    images.batch(readable or [0])
    for work in (
        lambda one: list(one.batches(7)),
        lambda one: one.batch(range(N)),
        ImageSet.pixels_sha256,
    ):
        told = []
        for one in (images, undecoded(images)):
            with pytest.raises(DataError, match=r"c1/040\.png cannot be decoded") as caught:
                work(one)
            told.append(str(caught.value))
        assert told[0] == told[1]
    rows = images.rows
    assert images.source.problems(rows) == undecoded(images).source.problems(rows)


def test_pictures_before_a_bad_one_come_as_they_did(folder: Path) -> None:
    (folder / "c1/040.png").write_bytes(b"no picture")
    images = open_folder(folder, n_decoders=0)

    def ids_before(one: ImageSet) -> list[str]:
        ids: list[str] = []
        try:
            for batch in one.batches(7):
                ids += batch.ids
        except DataError:
            return ids
        pytest.fail("nothing was wrong")

    came = [ids_before(one) for one in (images, undecoded(images), images)]
    assert came[0] == came[1] == came[2] == list(images.ids[: len(came[0])]) != []


@pytest.mark.parametrize("known", [[], [0], [0, 1], list(range(N))])
def test_pictures_of_several_sizes_give_the_same_error(
    folder: Path, png: Callable[..., bytes], known: list[int]
) -> None:
    (folder / "c0/000.png").write_bytes(png(0, width=5))
    images = open_folder(folder, n_decoders=0)
    for position in known:
        images.batch([position])
    message = r"different shapes, \(4, 4, 3\) and \(4, 5, 3\); give"
    with pytest.raises(DataError, match=message):
        images.batch([0, 1])
    with pytest.raises(DataError, match=message):
        list(images.batches(8))
    # Sizes that never meet in a piece are no matter.
    assert [batch.x.shape[3] for batch in images.batches(1)] == [5] + [4] * (N - 1)
