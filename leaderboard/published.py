"""Numbers that others published, as data: `baselines/*.json`, one entry for each model and attack.

A number here was never measured by us. What a paper claims of its own model is "claimed"; what
somebody else measured is "third-party"; the two are never one column.
"""

from __future__ import annotations

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
        default=None, ge=0, le=1, description="after a stronger evaluation by somebody else"
    )
    unreliable: bool | None = Field(default=None, description="the source distrusts its attack")
    n_forwards: int | None = Field(default=None, ge=1, description="above 1: an ensemble")
    kind: Literal["claimed", "third-party"]
    excluded: str | None = Field(default=None, description="why it is no baseline to beat")
    source: str
    note: str | None = None


class Baselines(Frozen):
    """One file of `baselines/`."""

    schema_: Literal["sat-zoo/baselines@1"] = Field(alias="schema")
    about: str
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


def read_baselines(path: AnyPath) -> tuple[Published, ...]:
    """The entries of one file.

    Raises `ReportError` if it cannot be read or breaks the schema.
    """
    path = path_of(path, "path")
    try:
        return Baselines.model_validate_json(path.read_bytes()).rows
    except OSError as error:
        raise ReportError(f"baselines {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ReportError(f"baselines {path} are invalid: {first_fault(error, 'file')}") from error


@cache
def published() -> tuple[Published, ...]:
    """Every entry that comes with the package, file by file."""
    return tuple(row for path in sorted(BASELINES.glob("*.json")) for row in read_baselines(path))
