"""The committed boards, joined once for all tests of the pages."""

import pytest

from leaderboard.boards import Leaderboard, leaderboard


@pytest.fixture(scope="session")
def committed() -> Leaderboard:
    return leaderboard()
