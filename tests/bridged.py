"""Packages of others that bridges are tried with; where one is missing, the test says so."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest


def bridged(name: str) -> Any:
    """The module `name`; the test is skipped where it cannot be imported.

    With REQUIRE_BRIDGES=1 it fails instead, so that CI cannot pass without having tried a bridge.
    """
    try:
        return import_module(name)
    except ImportError as error:
        if os.environ.get("REQUIRE_BRIDGES"):
            pytest.fail(f"REQUIRE_BRIDGES is set, but {name} cannot be imported: {error}")
        pytest.skip(f"{name} cannot be imported: see docs/bridges.md for how it is installed")
