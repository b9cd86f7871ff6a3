"""The built site in headless Chromium. Without Chromium or playwright the tests here skip.

With REQUIRE_BROWSER=1 they fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaderboard.boards import Leaderboard, leaderboard
from leaderboard.twins import twins
from tests.browser.fakes import whole

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
N_ROWS = 500

Open = Callable[..., "Page"]


def missing(reason: str) -> None:
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(f"REQUIRE_BROWSER is set, but {reason}")
    pytest.skip(f"needs {reason.removesuffix(' is missing')}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        missing("Chromium is missing")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("the package playwright is missing")
    try:
        import itables  # noqa: F401
    except ImportError:
        missing("the package itables is missing")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are our own files.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu", *flags])
        yield browser
        browser.close()


def write(pages: dict[str, str], folder: Path) -> Path:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="session")
def big(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one board of 500 rows, some with hostile names."""
    from leaderboard.site.builder import site

    return write(site(whole(N_ROWS), ()), tmp_path_factory.mktemp("big"))


@pytest.fixture(scope="session")
def real(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the committed results, with the two boards that the tests look at."""
    from leaderboard.site.builder import site

    keys = ("digits-linf-3-16-full", "cifar10-linf-8-255-full")
    found = leaderboard()
    kept = tuple(board for board in found.boards if board.key in keys)
    pages = site(Leaderboard(kept, found.refused), twins(kept))
    return write(pages, tmp_path_factory.mktemp("real"))


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens a file offline; afterwards, no error was logged and nothing was fetched."""
    contexts, seen = [], []

    def opened(path: Path, *, wait: str | None = None, **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 900}, "offline": True, **options}
        context = chromium.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: _is_local(request.url) or seen.append(request.url))
        page.goto(path.as_uri())
        if wait:
            page.wait_for_selector(wait)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen == []


def _is_local(url: str) -> bool:
    return url.startswith(("file:", "data:"))
