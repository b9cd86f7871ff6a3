"""Which tests try the files that once fell: `file-*.py` of the cases that are shared, by name."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TRIED_BY = {
    "file-eps_bomb": (
        "tests/eval/report/test_hostile_reports.py",
        "test_a_text_that_asks_for_too_much_is_refused_at_once",
    ),
    "file-npz_bitflip": (
        "tests/eval/data/cifar10/test_hostile.py",
        "test_a_flipped_bit_of_the_first_pictures_is_one_sentence",
        "test_first_pictures_that_are_cut_short_are_one_sentence",
    ),
    "file-report_faults": (
        "tests/eval/report/test_hostile_reports.py",
        "test_no_number_is_without_bound_or_none_at_all",
        "test_a_value_out_of_its_range_is_named",
        "test_a_name_is_one_line_that_draws_nothing",
        "test_a_stage_cannot_be_called_as_a_verdict_or_another_stage",
        "test_the_last_iterates_lie_between_what_stands_and_what_was_attacked",
    ),
    "file-symlink_tmp": (
        "tests/eval/files/test_writing.py",
        "test_a_planted_link_makes_no_other_file_be_written",
    ),
    "file-tar_link": (
        "tests/eval/data/cifar10/test_hostile.py",
        "test_a_batch_that_is_a_link_or_a_device_is_one_sentence",
    ),
    "file-tf_index_key_bomb": (
        "tests/zoo/official/format/test_hostile_index.py",
        "test_names_that_repeat_a_long_one_are_refused_before_they_are_made",
    ),
    "file-toctou": (
        "tests/zoo/weights/test_file.py",
        "test_a_file_swapped_between_two_reads_is_read_once",
        "test_bundled_weights_that_are_swapped_while_loading_are_those_of_the_card",
    ),
    "file-zip_bomb": (
        "tests/eval/data/files/test_hostile_archives.py",
        "test_an_entry_that_unpacks_beyond_the_limit_is_refused_before_it_is_unpacked",
    ),
}
"""The file of tests, and their names in it."""


@pytest.mark.parametrize("case", TRIED_BY)
def test_a_file_that_once_fell_is_tried_by_tests_that_are_there(case: str) -> None:
    path, *names = TRIED_BY[case]
    text = (ROOT / path).read_text("utf-8")
    for name in names:
        assert f"def {name}(" in text, f"{path} has no {name}"


def test_no_file_that_once_fell_is_left_out(shared: Path) -> None:
    assert {path.stem for path in (shared / "cases").glob("file-*.py")} == set(TRIED_BY)
