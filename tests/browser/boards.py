"""What the table of a board shows, as tests ask for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PLACE = """key => {
  const [above, below] = document.getElementById("board").tHead.rows;
  const under = ({ dataset }) =>
    [...below.cells].filter((it) => it.dataset.family === dataset.family);
  const heads = [...above.cells].flatMap((head) => (head.rowSpan > 1 ? [head] : under(head)));
  return heads.findIndex((head) => head.dataset.key === key);
}"""
_SHOWN = """() => {
  const table = document.getElementById("board");
  const rows = [...table.tBodies[0].rows].filter((row) => row.id && !row.hidden);
  const shown = (row) => [...row.cells].filter((cell) => !cell.hidden);
  return rows.map((row) => shown(row).map((cell) => cell.textContent.trim()));
}"""
_EVERY = f"""() => {{
  const attacks = [...document.querySelectorAll("[name=attack]")].map((it) => it.value);
  const options = [...document.querySelectorAll("select[data-filter] option:not([value=''])")];
  const states = (attacks.length ? attacks : [""]).flatMap((attack) =>
    options.map((it) => `attack=${{attack}}&${{it.parentElement.dataset.filter}}=${{it.value}}`));
  // As text, which is brought over much faster than a hundred thousand values.
  return JSON.stringify(Object.fromEntries(states.map((state) => {{
    history.replaceState(null, "", `#${{state}}`);
    dispatchEvent(new Event("hashchange"));
    return [state, ({_SHOWN})()];
  }})));
}}"""


def names(page: Page) -> list[str]:
    """The models shown, from top to bottom."""
    return page.locator("#board tbody tr:visible .name > a:not(.here)").all_inner_texts()


def column(page: Page, key: str) -> list[str]:
    """What the rows shown have in a column, without the small print."""
    place = page.evaluate(_PLACE, key) + 1
    cells = page.locator(f"#board tbody tr[id]:visible > :nth-child({place})").all_inner_texts()
    return [cell.split("\n")[0] for cell in cells]


def shown(page: Page) -> list[list[str]]:
    """Every cell that is shown, row by row."""
    found: list[list[str]] = page.evaluate(_SHOWN)
    return found


def numbers(page: Page, key: str) -> list[float]:
    """The accuracies of a column; a dash would be an error."""
    return [float(text) for text in column(page, key)]


def every_view(page: Page) -> dict[str, list[list[str]]]:
    """By the address of each attack with each choice of a filter: what is shown."""
    found: dict[str, list[list[str]]] = json.loads(page.evaluate(_EVERY))
    return found
