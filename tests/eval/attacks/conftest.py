"""Attacks as they run where the host must not ask the device."""

from collections.abc import Callable

import pytest

WITH_MAY_ASK = ("rows", "search", "gradients", "projections", "pgd", "apgd", "fab", "square")


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A call makes everything believe that the host must not ask."""

    def pretend() -> None:
        for name in WITH_MAY_ASK:
            monkeypatch.setattr(f"eval.attacks.{name}.may_ask", lambda _: False)

    return pretend
