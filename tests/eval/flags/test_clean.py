import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from eval import evaluate
from eval.data import ImageSet, from_tensors
from eval.flags import clean
from eval.flags.clean import clean_flags
from eval.intervals import wilson

Ints = NDArray[np.int64]


def said(y: Ints, answers: Ints, k: int) -> dict[str, str]:
    return {f.code: f.detail for f in clean_flags(y.tolist(), answers.tolist(), k)}


def balanced(n: int, k: int) -> Ints:
    return np.arange(n) % k


def answers_of(y: Ints, accuracy: float, k: int, seed: int = 0) -> Ints:
    """Right for that share of the images, anything else elsewhere."""
    rng = np.random.default_rng(seed)
    wrong = (y + rng.integers(1, k, len(y))) % k
    return np.where(rng.random(len(y)) < accuracy, y, wrong)


@pytest.mark.parametrize(
    ("n", "k", "accuracy"),
    [
        (10_000, 10, 0.68),
        (1000, 1000, 0.4),
        (50_000, 1000, 0.05),
        (360, 10, 0.99),
        (200, 2, 0.8),
        (40, 2, 0.9),
        (2000, 100, 0.2),
    ],
)
def test_a_model_that_sees_something_has_no_flag(n: int, k: int, accuracy: float) -> None:
    y = balanced(n, k)
    assert said(y, answers_of(y, accuracy, k), k) == {}


@pytest.mark.parametrize(("n", "k"), [(10_000, 10), (100, 10), (40, 2), (5000, 1000), (300, 3)])
def test_guessing_is_flagged(n: int, k: int) -> None:
    y = balanced(n, k)
    guesses = np.random.default_rng(1).integers(0, k, n)
    found = said(y, guesses, k)
    assert list(found) == ["clean-at-chance"]
    correct = int((y == guesses).sum())
    assert f"{correct} of {n} images" in found["clean-at-chance"]
    assert "sat-zoo doctor" in found["clean-at-chance"]


@pytest.mark.parametrize(
    ("correct", "n", "k", "is_flagged"),
    [
        (5, 5, 2, False),
        (4, 5, 2, False),
        (3, 5, 2, False),  # a model that is right on 90 % is on 3 of 5 once in 14 times
        (2, 4, 2, False),
        (1, 3, 10, False),
        (1, 5, 10, False),
        (1, 1, 2, False),
        (20, 40, 2, True),
        (10, 100, 10, True),
        (0, 1, 1000, True),
        (0, 4, 2, True),
        (2, 100, 10, True),  # below chance: wrong in a way that guessing is not
        (1, 1000, 1000, True),
    ],
)
def test_a_handful_of_images_is_no_alarm_unless_all_are_wrong(
    correct: int, n: int, k: int, is_flagged: bool
) -> None:
    y = balanced(n, k)
    answers = np.where(np.arange(n) < correct, y, (y + 1 + np.arange(n) % max(1, k - 1)) % k)
    assert (y == answers).sum() == correct
    assert ("clean-at-chance" in said(y, answers, k)) is is_flagged


@given(n=st.integers(1, 9), k=st.integers(2, 1000), data=st.data())
def test_on_few_images_a_model_that_is_mostly_right_is_never_flagged(
    n: int, k: int, data: st.DataObject
) -> None:
    y = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    n_wrong = data.draw(st.integers(0, (n - 1) // 2))
    answers = np.where(np.arange(n) < n_wrong, (y + 1) % k, y)
    assert said(y, answers, k) == {}


@pytest.mark.parametrize(("share", "k"), [(0.9, 10), (0.75, 2), (0.99, 2), (0.5, 100)])
def test_the_most_frequent_label_as_the_only_answer_is_found_out(share: float, k: int) -> None:
    n = 1000
    y = np.where(np.arange(n) < share * n, 3 % k, np.arange(n) % k)
    detail = said(y, np.full(n, 3 % k), k)["clean-at-chance"]
    assert f"the model answers class {3 % k} for nearly everything, 1000 of 1000 images" in detail


def test_answers_as_frequent_as_labels_but_blind_are_found_out() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.1).astype(np.int64)
    blind = (rng.random(4000) < 0.1).astype(np.int64)
    detail = said(y, blind, 2)["clean-at-chance"]
    assert (y == blind).mean() > 0.8
    assert "always answering 0, the most frequent label, has 89.6 %" in detail


@pytest.mark.parametrize(
    "sizes",
    [
        {3: 50},  # a folder of one class
        {3: 95, 700: 5},
        {1: 96, 2: 1, 3: 1, 4: 1, 5: 1},
        {0: 2, 1: 1},
    ],
)
def test_a_good_model_on_labels_of_unequal_share_has_no_flag(sizes: dict[int, int]) -> None:
    y = np.repeat(list(sizes), list(sizes.values()))
    rng = np.random.default_rng(2)
    answers = np.where(np.arange(len(y)) % 4 == 3, rng.integers(0, 1000, len(y)), y)
    assert said(y, answers, 1000) == {}


def test_a_careful_detector_of_a_rare_class_has_no_flag() -> None:
    """Less accurate than always answering the frequent class, and yet it sees something."""
    y = np.repeat([0, 1], [950, 50])
    answers = y.copy()
    answers[:60] = 1  # 60 false alarms
    answers[950:960] = 0  # 10 missed
    assert (y == answers).mean() < 0.95
    assert said(y, answers, 2) == {}


@pytest.mark.parametrize(
    ("shift", "k", "n", "accuracy", "shown"),
    [
        (1, 10, 1000, 0.9, "+1"),
        (9, 10, 200, 0.5, "-1"),
        (1, 1000, 1000, 0.5, "+1"),
        (999, 1000, 5000, 0.4, "-1"),
        (3, 7, 50, 0.8, "+3"),
        (1, 2, 40, 0.9, "+1"),
    ],
)
def test_shifted_labels_are_named(shift: int, k: int, n: int, accuracy: float, shown: str) -> None:
    y = balanced(n, k)
    found = said(y, answers_of((y + shift) % k, accuracy, k), k)
    assert set(found) == {"clean-at-chance", "label-order"}
    assert f"if {shown} is added to every label (modulo {k})" in found["label-order"]


def test_classes_in_the_order_of_their_names_as_text_are_named() -> None:
    """0, 1, 10, 11, ..., 2, 20, ...: the order in which a folder of numbers is listed."""
    k = 120
    order = np.array(sorted(range(k), key=str))
    y = np.random.default_rng(0).integers(0, k, 3000)
    found = said(y, answers_of(order[y], 0.7, k), k)
    assert "exchange of classes" in found["label-order"]
    assert f"2 as {order[2]}" in found["label-order"]


@pytest.mark.parametrize("pair", [(3, 5), (0, 9), (8, 1)])
def test_two_exchanged_classes_are_named_far_above_chance(pair: tuple[int, int]) -> None:
    y = balanced(2000, 10)
    order = np.arange(10)
    order[list(pair)] = order[list(reversed(pair))]
    found = said(y, answers_of(order[y], 0.95, 10), 10)
    assert list(found) == ["label-order"]
    low, high = sorted(pair)
    assert f"({low} as {high}, {high} as {low})" in found["label-order"]


@given(seed=st.integers(0, 10_000), k=st.integers(2, 30), n=st.integers(1, 400))
def test_chance_alone_names_no_order(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    y, answers = rng.integers(0, k, n), rng.integers(0, k, n)
    if wilson(int((y == answers).sum()), n)[1] > 1 / k:  # answers that chance made odd are odd
        assert "label-order" not in said(y, answers, k)


def test_a_run_carries_the_flag_and_says_so_before_the_attack(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: object
) -> None:
    shifted = from_tensors(
        torch.from_numpy(np.stack([tiny_data.batch([i]).x[0].numpy() for i in range(60)])),
        torch.from_numpy((tiny_data.labels + 1) % 5),
    )
    heard: list[str] = []
    report = evaluate(
        tiny_net,
        shifted,
        attack="pgd-1",
        eps="1/255",
        journal=tmp_path,  # type: ignore[arg-type]
        on_message=heard.append,
    )
    assert {"clean-at-chance", "label-order"} <= {flag.code for flag in report.flags}
    assert any(line.startswith("label-order: ") and "-1 is added" in line for line in heard)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=8, max_size=40),
    accuracy=st.sampled_from([0, 4, 20]),
)
def test_no_exchange_is_looked_for_only_where_each_class_is_best_by_itself(
    pairs: list[tuple[int, int]], accuracy: int
) -> None:
    right = [(label, label) for label in range(4) for _ in range(accuracy)]
    y, answers = np.array(pairs + right).T
    without_shortcut = pytest.MonkeyPatch()
    with without_shortcut.context() as patched:
        patched.setattr(clean, "_each_is_best_alone", lambda seen: False)
        expected = clean._exchanged(y, answers, 4)
    assert clean._exchanged(y, answers, 4) == expected
