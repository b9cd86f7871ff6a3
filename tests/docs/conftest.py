"""Tests of the tools of the documentation skip where these are not installed.

With REQUIRE_DOCS=1 they fail instead.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# For `docs`, which is never installed; at the end, since the packages tested are those installed.
sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="session")
def docs_tools() -> None:
    missing = [name for name in ("sphinx", "nbformat", "nbclient") if find_spec(name) is None]
    if missing and os.environ.get("REQUIRE_DOCS"):
        pytest.fail(f"REQUIRE_DOCS is set, but {missing[0]} is missing")
    if missing:
        pytest.skip("needs the extra docs: pip install -e '.[docs]'")
