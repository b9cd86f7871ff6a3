"""Sites without what takes seconds to make and does not depend on what is shown."""

import pytest

from leaderboard import join
from leaderboard.published import published
from leaderboard.site import charts, libraries, pictures


def without_libraries(patch: pytest.MonkeyPatch) -> None:
    """Scripts of others and their licences, whose bundling test_libraries tests."""
    for name in ("charts", "licences"):
        patch.setattr(libraries, name, lambda name=name: f"/* {name} */")


def without_drawings(patch: pytest.MonkeyPatch) -> None:
    """Nor charts: neither their specifications nor their pictures."""
    without_libraries(patch)
    patch.setattr(charts, "specs", dict)
    patch.setattr(pictures, "picture", lambda *_: pictures.Picture("<svg/>", 1, 1, ""))


def with_few_published(patch: pytest.MonkeyPatch, every: int) -> None:
    """One in `every` of the published numbers, of each data set and norm at least one."""
    found = published()
    first = {(one.dataset, one.norm, one.eps): one for one in reversed(found)}.values()
    chosen = tuple(one for i, one in enumerate(found) if i % every == 0 or one in first)
    patch.setattr(join, "published", lambda: chosen)
