"""What a benchmark found, `sat-zoo/bench@2`; the table in eval/README.md is made from these.

Records @1 are read too: what they lack is None.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Literal, Self

from pydantic import Field, ValidationError

from eval.errors import ReportError, first_fault
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from eval.stage import Stage

SCHEMA: Literal["sat-zoo/bench@2"] = "sat-zoo/bench@2"


class Timing(Frozen):
    """Seconds of each repeat, in order."""

    repeats: tuple[float, ...]
    median: float
    spread: float = Field(description="largest minus smallest")

    @classmethod
    def of(cls, seconds: list[float]) -> Self:
        """At least one repeat."""
        spread = max(seconds) - min(seconds)
        return cls(repeats=tuple(seconds), median=median(seconds), spread=spread)


class Machine(Frozen):
    """Where it ran. Peaks are in 10^9 floating-point operations a second, two a multiply-add."""

    device: str
    processor: str
    instructions: str | None = Field(
        default=None, description="vectors that torch uses, such as AVX2; None on a GPU and in @1"
    )
    threads: int
    torch: str
    python: str
    matmul_fp32: float = Field(description="best of a few square matrix products, in this run")
    matmul_bf16: float
    auto_precision: Literal["fp32", "bf16"] = Field(description="what --precision auto takes here")


class StageRow(Frozen):
    """One contender in one stage; the first stage, `clean`, holds all preparation."""

    name: str
    seconds: Timing
    attacked: int
    broken: int
    forwards: int
    backwards: int
    accuracy_after: float
    n_differ: int = Field(
        description="images that stand here but not with the first contender, or"
        " the other way round"
    )


class TimeShares(Frozen):
    """Where our time goes, as shares of the total that sum to 1."""

    start: float = Field(description="clean pass, fast copy and its proof, flags")
    network: float
    arithmetic: float = Field(description="what is left: the attacks, and keeping rows together")
    verification: float
    io: float = Field(description="reading images, writing the journal")


class ContenderRow(Frozen):
    """One contender in all stages."""

    name: str
    version: str
    precision: Literal["fp32", "bf16"]
    seconds: Timing
    ratio: float = Field(description="median over the repeats of own seconds / the first one's")
    forwards: int
    backwards: int
    clean_accuracy: float
    robust_accuracy: float = Field(description="every broken image verified by us")
    n_rejected: int = Field(description="claims that our verification refused")
    n_differ: int = Field(description="images with another verdict than the first contender's")
    n_missed: int = Field(description="of those, robust here and broken there")
    peak_memory_bytes: int | None = Field(
        description="of the whole process (CPU) or of the GPU; None where it cannot be told"
    )
    roof_seconds: float | None = Field(
        default=None,
        description="what the passes of the stages would take with every multiply-add at the"
        " machine's matmul peak; None in @1",
    )
    peak_share: float | None = Field(
        default=None,
        description="only in @1: the same / the seconds of the stages in the network (ours), or"
        " of the stages (others)",
    )
    shares: TimeShares | None = Field(description="None for others than us")
    stages: tuple[StageRow, ...]

    @property
    def roof(self) -> float:
        """`roof_seconds`, also of a record @1."""
        if self.roof_seconds is not None:
            return self.roof_seconds
        total, clean = self.seconds.median, self.stages[0].seconds.median
        spent = total - clean if self.shares is None else total * self.shares.network
        return spent * (self.peak_share or 0)


class Comparison(Frozen):
    """Contenders on the same images with the same stages; the first is what we compare with."""

    protocol: str
    stages: tuple[Stage, ...]
    rows: tuple[ContenderRow, ...]


class Answer(Frozen):
    """Our evaluation until a valid interval was narrow enough, beside `BenchRecord.comparisons[0]`.

    Measured after all that is compared, not in turns with it.
    """

    points: float = Field(description="half width that was asked for, in percentage points")
    precision: Literal["fp32", "bf16"]
    seconds: Timing = Field(description="with all preparation, the verification and a journal")
    forwards: int = Field(description="in the stages, also of images that were not settled yet")
    backwards: int
    after: str = Field(description="the last stage that ran on all images, clean for none")
    survivors: int = Field(description="images that stood then")
    settled: int = Field(description="of these, attacked to the end, in the order drawn")
    full_run: tuple[float, float] = Field(
        description="95 % confidence sequence for the robust accuracy of the whole run"
    )


class BenchRecord(Frozen):
    """One benchmark: one model, one set of images."""

    schema_: Literal["sat-zoo/bench@1", "sat-zoo/bench@2"] = Field(alias="schema")
    created: str
    command: str
    commit: str = Field(description="of this code; -dirty if files differed from it")
    machine: Machine
    model: str
    weights_sha256: str
    parameters: int
    multiply_adds: int = Field(description="of one image forward")
    multiply_adds_backward: int | None = Field(
        default=None, description="of one image backward, to its gradient; None in @1"
    )
    data: str
    n: int
    ids_sha256: str
    norm: str
    eps: str
    seed: int
    batch_size: int
    repeats: int
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    answer: Answer | None = Field(
        default=None, description="None where it was not asked for, and in older records"
    )

    def write(self, path: Path) -> None:
        """Write the record to `path`: the old file or the whole new one."""
        write_atomically(path, (self.model_dump_json(by_alias=True, indent=1) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record. Raises `ReportError` if it cannot be read or is not this schema."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ReportError(f"bench record {path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise ReportError(
                f"bench record {path} is not a valid {SCHEMA}: {first_fault(error, 'record')};"
                " run the bench again"
            ) from error
