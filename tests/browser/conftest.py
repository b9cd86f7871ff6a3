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
from filelock import FileLock

from leaderboard.boards import Leaderboard, leaderboard
from leaderboard.twins import twins
from tests.browser.fakes import whole
from tests.browser.waiting import PATIENCE_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
N_MANY, N_SOME = 500, 120

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
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        missing("the package playwright is missing")
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox; the pages are our own files.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(
            executable_path=path, args=["--disable-gpu", *flags], timeout=PATIENCE_S * 1000
        )
        yield browser
        browser.close()


def write(pages: dict[str, str], folder: Path) -> Path:
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def built_once(
    name: str, build: Callable[[], dict[str, str]], factory: pytest.TempPathFactory
) -> Path:
    """A folder with these pages, which the first process that asks builds for all of the session.

    It appears whole: a process that is killed in the middle leaves none that others would take.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return write(build(), factory.mktemp(name))
    common = factory.getbasetemp().parent
    with FileLock(common / f"{name}.lock"):
        folder = common / name
        if not folder.exists():
            write(build(), factory.mktemp(name)).rename(folder)
    return folder


@pytest.fixture(scope="session")
def big(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one board of 500 rows. Only to be read."""
    from leaderboard.site.builder import site

    return built_once("big-site", lambda: site(whole(N_MANY), ()), tmp_path_factory)


@pytest.fixture(scope="session")
def made_up(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with one board of 120 rows, some with hostile names. Only to be read."""
    from leaderboard.site.builder import site

    return built_once("made-up-site", lambda: site(whole(N_SOME), ()), tmp_path_factory)


@pytest.fixture(scope="session")
def real(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the committed results, with the boards that tests look at. Only to be read."""
    return built_once("real-site", _real_pages, tmp_path_factory)


def _real_pages() -> dict[str, str]:
    from leaderboard.site.builder import site

    keys = ("digits-linf-3-16-full", "cifar10-linf-8-255-full", "imagenet-linf-4-255-full")
    found = leaderboard()
    kept = tuple(board for board in found.boards if board.key in keys)
    return site(Leaderboard(kept, found.refused), twins(kept))


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens a file offline; afterwards, no error was logged and nothing was fetched."""
    contexts, seen = [], []

    def opened(path: Path, *, wait: str | None = None, **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 900}, "offline": True, **options}
        context = chromium.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE_S * 1000)
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
