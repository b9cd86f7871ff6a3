"""Commands, names, fields and docstrings as the pages show them."""

import inspect
import re
from typing import Annotated, Literal

import click
import pytest
from pydantic import BaseModel, Field

from docs.extensions.docstrings import converted
from docs.extensions.generated import CONTENTS, commands, fields_of, filled, public
from eval import Report
from tests.docs.pages import DOCS
from zoo.cli import cli


def test_every_command_is_on_the_page_with_its_whole_help() -> None:
    page = commands()
    heads = re.findall(r"^#+ (sat-zoo.*)$", page, re.MULTILINE)
    names = cli.list_commands(click.Context(cli))
    assert {f"sat-zoo {name}" for name in names} <= set(heads)
    assert "sat-zoo leaderboard show" in heads
    assert "--save-adversarial PATH" in page
    assert "-h, --help" in page


def test_a_page_gets_what_it_asks_for_and_nothing_else() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")
    assert "## sat-zoo eval" in filled(page)
    assert filled("<!-- generated without a colon -->") == "<!-- generated without a colon -->"
    with pytest.raises(KeyError):
        filled("<!-- generated: weather -->")


@pytest.mark.parametrize("package", ["eval", "zoo"])
def test_every_public_name_of_a_package_is_on_its_page(package: str) -> None:
    names = __import__(package).__all__
    page = filled((DOCS / "api" / f"{package}.md").read_text("utf-8"))
    for name in names:
        assert f"{package}.{name}\n" in page
    assert {f"{package}.{name}" for name in names} <= set(public())


def test_a_document_is_shown_with_how_it_is_read_and_written() -> None:
    entries = re.findall(
        r"autoclass:: (\S+)\n((?:   .*\n)+)", filled("<!-- generated: api eval -->")
    )
    (options,) = (options for name, options in entries if name == "eval.Report")
    assert ":inherited-members: BaseModel" in options
    assert {"read", "write", "to_json"} <= set(dir(Report)) - set(dir(BaseModel))


def test_a_module_of_a_type_that_pages_name_is_on_the_list() -> None:
    assert {"eval.errors.UsageError", "eval.threat.Threat", "eval.Report"} & set(public()) == {
        "eval.errors.UsageError",
        "eval.Report",
    }


def test_arguments_become_a_list_and_what_goes_on_further_in_stays_with_them() -> None:
    text = inspect.cleandoc(
        """Attack it.

        x, y: (N, C, H, W) in [0, 1],
            and the labels. key: see there.
        eps: radius.
        """
    )
    assert [line for line in converted(text.splitlines()) if line] == [
        "Attack it.",
        "- **x, y**: (N, C, H, W) in \\[0, 1\\], and the labels.",
        "- **key**: see there.",
        "- **eps**: radius.",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("|out - x| <= eps * 2 of x_adv_", "\\|out - x\\| \\<= eps \\* 2 of x\\_adv\\_"),
        ("see `eval.attack` and `x|y`", "see \\ :py:obj:`eval.attack`\\  and \\ ``x|y``\\ "),
        ("a \\b in text", "a \\\\b in text"),
    ],
)
def test_signs_are_themselves_and_names_lead_to_their_entry(text: str, wanted: str) -> None:
    assert converted([text], ["eval.attack"])[0] == wanted


def test_formulas_and_heads_keep_their_form() -> None:
    lines = ["    B(a + k) / B(a, b)", "", "Raises:", "    UsageError: of another norm."]
    assert converted(lines) == [
        *("::", "", "    B(a + k) / B(a, b)", ""),
        *("**Raises**", "", "- **UsageError**: of another norm.", "", ""),
    ]


def test_fields_are_listed_with_type_and_description() -> None:
    class Weather(BaseModel):
        wind: Annotated[int, Field(ge=0, description="in m/s")]
        sky: tuple[str, ...] = ()
        kind: Literal["dry", "wet"] | None = None

    assert fields_of(Weather) == [
        "- **wind** (int): in m/s",
        "- **sky** (str, several)",
        "- **kind** (dry or wet or null)",
        "",
    ]
    assert fields_of(int) == []


def test_every_page_is_on_the_list_of_contents_once() -> None:
    listed = [name for pages in CONTENTS.values() for name in pages]
    assert len(set(listed)) == len(listed)
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert pages - set(listed) == {"index"}
    for name in listed:
        assert (DOCS / f"{name}.md").is_file() or (DOCS / f"{name}.ipynb").is_file(), name
