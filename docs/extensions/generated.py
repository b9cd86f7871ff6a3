"""What is made from the code while the pages are built: commands, public names, fields.

A page asks for it by a comment of its own line, such as `<!-- generated: commands -->`, which
GitHub does not show; the page says there in words what the reader can do instead.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel

from eval.files.document import Document

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MODULES = {
    "eval": (
        "eval.evaluation",
        "eval.data",
        "eval.data.base",
        "eval.data.prints",
        "eval.data.files.entries",
        "eval.data.files.pictures:Decoder",
        "eval.report.parts",
        "eval.report.flag_codes",
        "eval.report.paired",
        "eval.curves.curve",
        "eval.curves.series",
        "eval.wave:Progress",
        "eval.protocols",
        "eval.fingerprint",
        "eval.stage",
        "eval.threat",
        "eval.intervals",
        "eval.estimate",
        "eval.verify",
        "eval.executors.cluster.ray_executor",
        "eval.executors.cluster.joining:ClusterError,Room",
        "eval.executors.crew:Workplace",
        "eval.factory",
        "eval.attacks.attack",
        "eval.attacks.search",
        "eval.attacks.registry",
        "eval.errors",
    ),
    "zoo": (
        "zoo.cards",
        "zoo.model",
        "zoo.pictures",
        "zoo.archs",
        "zoo.hub",
        "zoo.hub.pins",
        "zoo.diagnosis.findings",
        "zoo.diagnosis.subject:PicturePipeline",
        "zoo.doctor",
        "zoo.doctor.findings",
    ),
    "leaderboard": (
        "leaderboard.results",
        "leaderboard.boards",
        "leaderboard.compare",
        "leaderboard.drawn",
        "leaderboard.stats",
        "leaderboard.seeds",
        "leaderboard.submit",
        "leaderboard.citing",
        "leaderboard.export.files",
        "leaderboard.export.as_csv",
        "leaderboard.export.as_json",
        "leaderboard.export.as_latex",
        "leaderboard.export.as_markdown",
        "leaderboard.lists",
        "leaderboard.origins",
        "leaderboard.places",
        "leaderboard.published",
        "leaderboard.numbers",
        "leaderboard.rows",
        "leaderboard.columns",
    ),
}
"""Below the names of a package itself: every public class and function that a module defines, or
those after a colon. A type in a signature that is in none of them ends the build: put it here."""

CONTENTS = {
    "Begin": ("first-evaluation", "quickstart", "own-model", "bridges", "data", "doctor", "golden"),
    "Understand": (
        "report",
        "evidence",
        "flags",
        "attest",
        "protocols",
        "curves",
        "anytime",
        "cluster",
        "leaderboard",
        "mathematics",
    ),
    "Models": (
        "official",
        "training",
        "small-network",
        "../zoo/families/digits/README",
        "../zoo/families/cifar10/README",
        "../zoo/train/README",
        "../zoo/official/README",
    ),
    "Reference": ("commands", "api/eval", "api/zoo", "api/leaderboard"),
    "The project": (
        "../README",
        "../eval/README",
        "extending",
        "../CONTRIBUTING",
        "../CHANGELOG",
    ),
}
"""The list of pages beside each page, in its order; a page that is on no list ends the build."""

_ASKED = re.compile(r"^<!-- generated: (\S+)(?: (\S+))? -->$", re.MULTILINE)
_WIDTH = 80
_MEMBERS = "   :members:\n   :exclude-members: model_config"
_OF_DOCUMENTS = "   :inherited-members: BaseModel"
"""How they are read and written stands once in the code, and with each of them here."""


@cache
def public() -> tuple[str, ...]:
    """The full name of every object that the API pages have an entry of."""
    return tuple(name for package in MODULES for _, names in _sections(package) for name in names)


def api(package: str) -> str:
    """The API page of a package: its own names, then those of the modules on the list."""
    lines: list[str] = []
    for title, names in _sections(package):
        lines += [f"## {title}", ""]
        for name in names:
            found = _found(name)
            kind = "class" if inspect.isclass(found) else "function"
            of_documents = isinstance(found, type) and issubclass(found, Document)
            lines += [
                f"### {name}",
                "",
                "```{eval-rst}",
                f".. auto{kind}:: {name}",
                *([_MEMBERS] if kind == "class" else []),
                *([_OF_DOCUMENTS] if of_documents else []),
                "```",
                "",
            ]
    return "\n".join(lines)


def _sections(package: str) -> Iterator[tuple[str, list[str]]]:
    """Titles and full names, each object once."""
    front, seen = import_module(package), list[object]()
    for entry in (package, *MODULES[package]):
        title, _, only = entry.partition(":")
        module = import_module(title)
        if title == package:
            names = list(getattr(front, "__all__", ()))
        elif only:
            names = only.split(",")
        else:
            names = [n for n, obj in vars(module).items() if _is_of(n, obj, title)]
        names = [n for n in names if getattr(module, n) not in seen]
        seen += [getattr(module, n) for n in names]
        if names:
            yield title, [f"{title}.{name}" for name in names]


def _is_of(name: str, obj: object, module: str) -> bool:
    if name.startswith("_") or not isinstance(obj, (type, types.FunctionType)):
        return False
    return obj.__module__ == module


def _found(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def fields_of(obj: object) -> list[str]:
    """Of a pydantic model the fields and their descriptions, in reStructuredText; else nothing."""
    from docs.extensions.docstrings import converted

    if not (isinstance(obj, type) and issubclass(obj, BaseModel)):
        return []
    out: list[str] = []
    for name, field in obj.model_fields.items():
        of = _kind(field.annotation)
        said = f": {field.description}" if field.description else ""
        out += [f"- **{field.alias or name}** ({_rst(of)}){_rst(said)}"]
    return [*out, ""] if out else converted([])


def _kind(annotation: object) -> str:
    """A type in words: "int", "Flag, several", "cpu or cuda", "str or null"."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is tuple and inner[-1] is Ellipsis:
        return f"{_kind(inner[0])}, several"
    if origin in {Union, types.UnionType}:
        return " or ".join(map(_kind, inner))
    if origin is tuple:
        return ", ".join(map(_kind, inner))
    return "null" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def _rst(text: str) -> str:
    from docs.extensions.docstrings import converted

    return " ".join(converted([f" {text}"])).strip() if text else ""


def commands() -> str:
    """Every command of `sat-zoo` with its whole help, as it is printed in 80 columns."""
    from zoo.cli import cli

    root = click.Context(cli, info_name="sat-zoo", **cli.context_settings)
    return "\n".join(_helped(cli, root, level=2))


def _helped(command: click.Command, parent: click.Context, level: int) -> Iterator[str]:
    parent.terminal_width = parent.max_content_width = _WIDTH
    yield from (f"{'#' * level} {parent.command_path}", "", "```text", parent.get_help(), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(parent):
            found = command.get_command(parent, name)
            if found is not None and not found.hidden:
                below = click.Context(found, info_name=name, parent=parent)
                yield from _helped(found, below, level if parent.parent is None else level + 1)


def contents() -> str:
    """The list of all pages, which Sphinx shows beside each."""
    parts = []
    for title, pages in CONTENTS.items():
        parts += ["```{toctree}", f":caption: {title}", ":hidden:", "", *pages, "```", ""]
    return "\n".join(parts)


MADE: dict[str, Callable[..., str]] = {"commands": commands, "api": api, "contents": contents}


def filled(text: str) -> str:
    """`text` of a page with all that it asks for."""
    return _ASKED.sub(lambda m: MADE[m[1]](*filter(None, m.groups()[1:])), text)


def _read(_app: Sphinx, _page: str, source: list[str]) -> None:
    source[0] = filled(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
