"""Checkpoints and cards of `tests.tfcheckpoint` as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfcheckpoint import FloatArray, small_card, table, variables_of, write
from zoo.cards import ModelCard

WriteBundle = Callable[..., Path]
MakeVariables = Callable[..., dict[str, FloatArray]]


@pytest.fixture(scope="session")
def write_bundle() -> WriteBundle:
    return write


@pytest.fixture(scope="session")
def make_variables() -> MakeVariables:
    return variables_of


@pytest.fixture(scope="session")
def write_table() -> Callable[..., bytes]:
    return table


@pytest.fixture(scope="session")
def resnet_card() -> ModelCard:
    """A ResNet-50 with few channels, so that its checkpoint is small."""
    return small_card("small-resnet")


@pytest.fixture(scope="session")
def smoothrelu_card() -> ModelCard:
    return small_card("small-smoothrelu", activation="smoothrelu")


@pytest.fixture(scope="session")
def bare_card() -> ModelCard:
    """A model that the authors did not release."""
    return small_card("small-bare", official=None)
