from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eval.errors import DataError, unknown
from zoo.doctor.findings import (
    Diagnosis,
    Line,
    Section,
    examined,
    halves,
    size,
    without_secrets,
)


def test_a_line_that_is_not_ok_must_tell_the_way_out() -> None:
    with pytest.raises(ValidationError, match="has a fix"):
        Line(name="x", mark="missing", says="not here")
    with pytest.raises(ValidationError, match="has a fix"):
        Line(name="x", mark="ok", says="here", fix="install it")


def test_the_default_job_runs_exactly_when_every_needed_line_is_ok() -> None:
    good = Line(name="torch", mark="ok", says="2.15", needed=True)
    spare = Line(name="cuda", mark="missing", says="no GPU", fix="not needed")
    bad = Line(name="digits", mark="broken", says="other pixels", fix="reinstall", needed=True)
    can = Diagnosis.of([Section(title="a", lines=(good, spare))], "run").default_job
    cannot = Diagnosis.of([Section(title="a", lines=(good, spare, bad))], "run").default_job
    assert (can.can_run, can.why_not) == (True, ())
    assert (cannot.can_run, cannot.why_not) == (False, ("digits: other pixels; reinstall",))


def test_a_check_that_dies_becomes_a_line_and_keeps_what_it_had_found() -> None:
    def look() -> Iterator[Line]:
        yield Line(name="first", mark="ok", says="fine")
        raise ZeroDivisionError("division by zero\nsecond line")

    first, last = examined("devices", look).lines
    assert first.name == "first"
    assert (last.name, last.mark) == ("devices", "broken")
    assert last.says == "ZeroDivisionError: division by zero"


def test_an_error_of_ours_is_cut_into_fault_and_way_out() -> None:
    assert halves(DataError("it is empty; fill it; or not")) == ("it is empty", "fill it; or not")
    assert halves(unknown("key", "dat", ["data"]))[1] == "correct that"


@given(secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_no_password_and_no_token_is_shown(secret: str) -> None:
    shown = without_secrets(f"https://me:{secret}#9@mirror.example/x and hf_{secret}")
    assert shown == "https://mirror.example/x and hf_..."


@pytest.mark.parametrize(
    ("n_bytes", "said"),
    [(0, "0 B"), (999, "999 B"), (318472, "318 kB"), (78.7e9, "78.7 GB"), (2e12, "2 TB")],
)
def test_sizes_are_said_in_decimal_units(n_bytes: float, said: str) -> None:
    assert size(n_bytes) == said
