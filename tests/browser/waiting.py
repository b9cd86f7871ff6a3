"""Waits for what an act brings about, where playwright's `expect` cannot see it.

Playwright ends an act when the browser has taken it: a listener, a frame or a page that it leads to
may come later. A page's policy forbids playwright's own wait_for_function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, LocatorAssertions, Page

PATIENCE_S = 60
"""Only a test that fails waits so long."""

_LISTEN = """() => {
  window.heard = new Promise((done) => addEventListener("hashchange", done, { once: true }));
}"""
_HEARD = f"""() => Promise.race([
  window.heard.then(() => true),
  new Promise((done) => setTimeout(done, {PATIENCE_S * 1000}, false)),
])"""
_FRAMES = """async () => {
  for (let n = 0; n < 3; n += 1) await new Promise((done) => requestAnimationFrame(done));
}"""
_CLIPBOARD = f"""async (wanted) => {{
  const end = performance.now() + {PATIENCE_S * 1000};
  for (;;) {{
    const found = await navigator.clipboard.readText();
    if (found === wanted || performance.now() > end) return found;
    await new Promise((done) => setTimeout(done, 20));
  }}
}}"""


def expect(what: Locator, message: str | None = None) -> LocatorAssertions:
    """Playwright's own, asked for only now: tests are collected where playwright is missing."""
    from playwright.sync_api import expect as expected

    return expected(what, message)


def at(page: Page, state: str) -> Page:
    """The page with another part behind "#" in its address, which it has read."""
    page.evaluate(_LISTEN)  # after the page's own listener, and so told after it
    page.goto(page.url.split("#")[0] + state)
    assert page.evaluate(_HEARD), f"no change of the address to {state} was told"
    return page


def still(page: Page) -> None:
    """After frames enough that what scrolls, or comes into view, has told its listeners."""
    page.evaluate(_FRAMES)


def resized(page: Page, width: int, height: int) -> None:
    """The page, laid out anew in a window of that size."""
    page.set_viewport_size({"width": width, "height": height})
    expect(page.locator("html")).to_have_js_property("clientWidth", width)
    still(page)


def drawn(page: Page, chart: str) -> Locator:
    """The figure of that chart, in view and drawn."""
    figure = page.locator(f"figure[data-chart={chart}]")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector(f"figure[data-chart={chart}][data-ready=true]")
    still(page)
    return figure


def on_clipboard(page: Page, wanted: str) -> str:
    """What is on the clipboard once that is `wanted`; what else is there at last."""
    return str(page.evaluate(_CLIPBOARD, wanted))
