"""Wilson's interval beside scipy's, which takes a second to import and counts whole images only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from eval.intervals import Z95, wilson
from eval.report.percent import percent_range, signed_points


def test_the_quantile_is_that_of_the_normal_distribution() -> None:
    assert norm.ppf(0.975) == Z95


@given(n=st.integers(1, 50_000), share=st.floats(0, 1))
def test_the_interval_is_the_one_of_scipy(n: int, share: float) -> None:
    correct = round(share * n)
    theirs = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    assert wilson(correct, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_differences_and_intervals_are_told_in_points() -> None:
    assert (signed_points(0.028), signed_points(-0.1)) == ("+2.8", "-10.0")
    assert percent_range(0.72, 0.807) == "72.0 to 80.7"
