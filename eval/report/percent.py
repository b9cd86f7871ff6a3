"""Shares as people read them; in code and in files they are fractions in [0, 1]."""

from decimal import ROUND_HALF_UP, Decimal


def percent(share: float, *, digits: int = 1) -> str:
    """0.7666 as "76.7", 0.3645 as "36.5"; the sign, "%", is the reader's.

    Half goes up, as in the browser: 100 * 0.3645 is 36.449999999999996 in binary, and "36.4" would
    stand beside a chart's "36.5".
    """
    points = Decimal(repr(round(100 * float(share), 10)))
    return str(points.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def signed_points(difference: float) -> str:
    """A difference of two shares in points, with its sign: 0.028 as "+2.8"."""
    return f"{100 * difference:+.1f}"


def signed_range(low: float, high: float) -> str:
    """The interval of a difference, in points: "+1.0 to +2.4"."""
    return f"{signed_points(low)} to {signed_points(high)}"


def percent_range(low: float, high: float) -> str:
    """An interval: "72.0 to 80.7"."""
    return f"{percent(low)} to {percent(high)}"
