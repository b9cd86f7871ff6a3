"""Shares as people read them; in code and in files they are fractions in [0, 1]."""


def percent(share: float, *, digits: int = 1) -> str:
    """0.7666 as "76.7"; the sign, "%", is the reader's."""
    return f"{100 * share:.{digits}f}"


def signed_points(difference: float) -> str:
    """A difference of two shares in points, with its sign: 0.028 as "+2.8"."""
    return f"{100 * difference:+.1f}"


def percent_range(low: float, high: float) -> str:
    """An interval: "72.0 to 80.7"."""
    return f"{percent(low)} to {percent(high)}"
