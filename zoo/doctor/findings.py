"""What a doctor says: lines with a mark, and for each fault the way out. No torch here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from eval.arguments import as_options
from eval.errors import SatZooError
from eval.frozen import Frozen

Mark = Literal["ok", "missing", "broken"]
Fact = str | int | float | bool | None | tuple[str, ...]


class _Named(Frozen):
    model_config = ConfigDict(populate_by_name=True)


class Line(_Named):
    """One thing that was looked at."""

    name: str
    mark: Mark = Field(
        description="missing: not here; broken: here, but it cannot be used; the page says not"
        " needed for missing where it is not"
    )
    says: str = Field(description="what was found, or what was looked for and where")
    fix: str = Field(default="", description="the way out; empty only when the mark is ok")
    needed: bool = Field(default=False, description="the default job cannot run without it")
    facts: dict[str, Fact] = Field(default_factory=dict, description="the same for machines")

    @model_validator(mode="after")
    def _a_fault_has_a_way_out(self) -> Self:
        if (self.mark == "ok") == bool(self.fix):
            raise ValueError(f"{self.name}: a line that is not ok, and only such, has a fix")
        return self


class Section(_Named):
    """Lines that belong together."""

    title: str
    lines: tuple[Line, ...]


class DefaultJob(_Named):
    """The README's main command."""

    command: str
    can_run: bool
    why_not: tuple[str, ...] = Field(description="one sentence for each needed line that is not ok")


class Diagnosis(_Named):
    """Everything that `sat-zoo doctor` says."""

    schema_: Literal["sat-zoo/doctor@1"] = Field(default="sat-zoo/doctor@1", alias="schema")
    sections: tuple[Section, ...]
    default_job: DefaultJob

    @classmethod
    def of(cls, sections: Iterable[Section], command: str) -> Diagnosis:
        """The sections with the verdict that follows from them."""
        sections = tuple(sections)
        lines = [line for section in sections for line in section.lines]
        faults = [line for line in lines if line.needed and line.mark != "ok"]
        why = tuple(f"{line.name}: {line.says}; {line.fix}" for line in faults)
        job = DefaultJob(command=command, can_run=not faults, why_not=why)
        return cls(sections=sections, default_job=job)

    def to_json(self) -> str:
        """One JSON object; `model_validate_json` reads it back."""
        return self.model_dump_json(by_alias=True, indent=2)


def examined(title: str, look: Callable[[], Iterable[Line]]) -> Section:
    """The section that `look` finds; whatever it dies of becomes its last line.

    The page is for machines on which something is wrong, so it must come out on all of them.
    """
    lines: list[Line] = []
    try:
        for line in look():
            lines.append(line)  # noqa: PERF402 - what was found before a failure is kept
    except Exception as problem:
        lines.append(died(title, problem))
    return Section(title=title, lines=tuple(lines))


def died(name: str, problem: Exception, *, needed: bool = False) -> Line:
    """The line of a check that could not be made."""
    says, fix = halves(problem)
    return Line(name=name, mark="broken", says=says, fix=fix, needed=needed)


def halves(problem: Exception) -> tuple[str, str]:
    """An error's sentence as what is wrong and the way out."""
    if isinstance(problem, SatZooError):
        says, _, fix = as_options(str(problem)).partition("; ")
        return says, fix or "correct that"
    first = next(iter(str(problem).splitlines()), "")
    says = without_secrets(f"{type(problem).__name__}: {first}")
    return says, "repair what is marked broken or missing above; if nothing is, report this"


def without_secrets(text: str) -> str:
    """`text` without what may stand in it of passwords in addresses and of Hub tokens."""
    text = re.sub(r"://[^/@\s]+@", "://", text)
    return re.sub(r"\bhf_\w+", "hf_...", text)


def size(n_bytes: float) -> str:
    """Bytes for people: "1.3 GB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.3g} TB"
