"""Numbers that others published, as data: `baselines/*.json`, one entry for each model and attack.

A number here was never measured by us. What a paper claims of its own model is "claimed"; what
somebody else measured is "third-party"; the two are never one column.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from eval.errors import ReportError, first_fault
from eval.files.paths import AnyPath, path_of
from eval.frozen import Frozen

BASELINES = Path(__file__).parent / "baselines"

NOT_STATED = "not stated"
"""What stands for an eps or a protocol that the source does not give."""

Share = Field(default=None, ge=0, le=1)


class Published(Frozen):
    """One entry: a model, an attack, and the numbers that one source gives for them."""

    id: str = Field(description="unique together with dataset and norm")
    model: str = Field(
        description="how tables call it, the same for all entries of one model; RobustBench's id"
    )
    title: str = Field(description="of the paper")
    authors: str | None = None
    venue: str | None = None
    link: str = Field(pattern=r"^https?://[^\s<>\"'`]+$")
    architecture: str | None = Field(default=None, description="as the source prints it")
    activation: str | None = Field(default=None, description="None is not ReLU, it is unknown")
    activation_source: str | None = None
    parameters: int | None = Field(
        default=None, ge=1, description="numbers in all its tensors that are trained"
    )
    parameters_source: str | None = Field(
        default=None, description="what settles them: see tests/leaderboard/parameters.py"
    )
    input_size: int | None = Field(default=None, ge=1, description="height and width in pixels")
    input_source: str | None = None
    extra_data: bool | None = Field(default=None, description="real pictures beyond the data set")
    dataset: str
    norm: Literal["Linf", "L2"]
    eps: str = Field(description='"8/255", "0.031" (another ball), or "not stated"')
    subset: int | None = Field(
        default=None, ge=1, description="pictures evaluated; None: the source does not say"
    )
    subset_of: str | None = Field(
        default=None, description="whose choice of pictures, where it is not the whole test set"
    )
    protocol: str = Field(description='of `robust`: "autoattack", "pgd-100", "pgd-100 targeted"')
    clean: float | None = Share
    robust: float | None = Share
    reported: float | None = Field(
        default=None, ge=0, le=1, description="the paper's own number, whatever attack it used"
    )
    best_known: float | None = Field(
        default=None, ge=0, le=1, description="after a stronger evaluation than that of `robust`"
    )
    best_known_by: Literal["authors", "others"] | None = Field(
        default=None, description="who made the stronger evaluation, as the source's note says"
    )
    unreliable: bool | None = Field(default=None, description="the source distrusts its attack")
    n_forwards: int | None = Field(default=None, ge=1, description="above 1: an ensemble")
    loads: bool | None = Field(
        default=None,
        description="whether RobustBench's load_model has weights under this id; None: not its row",
    )
    kind: Literal["claimed", "third-party"]
    excluded: str | None = Field(default=None, description="why it is no baseline to beat")
    source: str
    note: str | None = None
    fingerprint: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="of the hyper-parameters that `robust` was measured by, see eval.fingerprint;"
        " None: its source does not publish them all",
    )

    @property
    def year(self) -> int | None:
        """Of the venue; where that names none, of the first version on arXiv; else unknown."""
        if of_venue := re.search(r"\b(?:19|20)\d\d\b", self.venue or ""):
            return int(of_venue[0])
        on_arxiv = self.arxiv
        return 2000 + int(on_arxiv[:2]) if on_arxiv else None

    @property
    def arxiv(self) -> str | None:
        """The number of the paper on arXiv, "2006.14536", where that is where the link leads."""
        found = re.fullmatch(r"https?://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})\S*", self.link)
        return found[1] if found else None


class RunAs(Frozen):
    """What a source that ran one protocol for all of its rows means by the name."""

    protocol: str = Field(description="as the rows call it")
    name: str = Field(description="the protocol of ours with the same hyper-parameters")
    fingerprint: str = Field(pattern="^[0-9a-f]{64}$")
    why: str = Field(description="how it is known that they are the same")


class Baselines(Frozen):
    """One file of `baselines/`."""

    schema_: Literal["sat-zoo/baselines@1"] = Field(alias="schema")
    about: str
    run_as: tuple[RunAs, ...] = Field(default=(), description="by protocols of the rows")
    rows: tuple[Published, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[tuple[str, str, str]] = set()
        for row in self.rows:
            key = (row.dataset, row.norm, row.id)
            if key in seen:
                raise ValueError(f"the id {row.id!r} stands twice among {row.dataset} {row.norm}")
            seen.add(key)
        return self

    @property
    def stated(self) -> tuple[Published, ...]:
        """The rows, each with the fingerprint that the file states of its protocol."""
        known = {it.protocol: it.fingerprint for it in self.run_as}
        return tuple(
            row.model_copy(update={"fingerprint": row.fingerprint or known.get(row.protocol)})
            for row in self.rows
        )


def read_baselines(path: AnyPath) -> tuple[Published, ...]:
    """The entries of one file.

    Raises `ReportError` if it cannot be read or breaks the schema.
    """
    path = path_of(path, "path")
    try:
        return Baselines.model_validate_json(path.read_bytes()).stated
    except OSError as error:
        raise ReportError(f"baselines {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ReportError(f"baselines {path} are invalid: {first_fault(error, 'file')}") from error


@cache
def published() -> tuple[Published, ...]:
    """Every entry that comes with the package, file by file."""
    return tuple(row for path in sorted(BASELINES.glob("*.json")) for row in read_baselines(path))
