"""Fixtures that several rooms of the tests use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout, which holds reference data too large to ship."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder `shared` beside the checkout (reference data, not shipped)")
    return SHARED
