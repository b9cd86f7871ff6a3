"""Tables of made-up records, word for word."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.bench import table
from eval.bench.record import (
    BenchRecord,
    Comparison,
    ContenderRow,
    Machine,
    StageRow,
    TimeShares,
    Timing,
)
from eval.errors import ReportError
from eval.protocols import protocol


def row(name: str, seconds: float, roof: float | None, *, is_ours: bool = False) -> ContenderRow:
    """A contender that broke 20 of 80 images right in one stage, after 1 s of preparation."""
    stages = (
        stage_row("clean", 1.0, accuracy_after=0.8),
        stage_row("pgd-50", seconds - 1, accuracy_after=0.6),
    )
    return ContenderRow(
        name=name,
        version="1.2",
        precision="fp32",
        seconds=Timing.of([seconds]),
        ratio=seconds / 50,
        forwards=4000,
        backwards=4000,
        clean_accuracy=0.8,
        robust_accuracy=0.6,
        n_rejected=0,
        n_differ=0,
        n_missed=0,
        peak_memory_bytes=10**9,
        roof_seconds=roof,
        shares=TimeShares(start=0.05, network=0.8, arithmetic=0.1, verification=0.04, io=0.01)
        if is_ours
        else None,
        stages=stages,
    )


def stage_row(name: str, seconds: float, *, accuracy_after: float) -> StageRow:
    is_clean = name == "clean"
    return StageRow(
        name=name,
        seconds=Timing.of([seconds]),
        attacked=0 if is_clean else 80,
        broken=0 if is_clean else 20,
        forwards=4000,
        backwards=4000,
        accuracy_after=accuracy_after,
        n_differ=0,
    )


@pytest.fixture
def record() -> BenchRecord:
    """Of a machine that does 100 GFLOP/s, and a network of 5 + 5 million multiply-adds."""
    rows = (row("pyautoattack", 50.0, 0.8), row("ours fp32", 20.0, 0.8, is_ours=True))
    return BenchRecord(
        schema="sat-zoo/bench@2",
        created="2026-11-25T00:00:00Z",
        command="python -m eval.bench",
        commit="0123456789ab",
        machine=Machine(
            device="cpu",
            processor="Some Chip (cpu family 25, model 1)",
            instructions="AVX2",
            threads=1,
            torch="2.14.1",
            python="3.11.7",
            matmul_fp32=100.0,
            matmul_bf16=50.0,
            auto_precision="fp32",
        ),
        model="tiny",
        weights_sha256="0" * 64,
        parameters=1234,
        multiply_adds=5_000_000,
        multiply_adds_backward=5_000_000,
        data="digits",
        n=100,
        ids_sha256="0" * 64,
        norm="Linf",
        eps="1/40",
        seed=0,
        batch_size=128,
        repeats=1,
        comparisons=(Comparison(protocol="pgd-50", stages=protocol("pgd-50").stages, rows=rows),),
        notes=("foolbox was not installed: do this",),
    )


def test_a_table_says_how_far_each_contender_is_from_the_roof(record: BenchRecord) -> None:
    assert table.markdown(record, "tiny.json") == "\n".join(
        [
            "### tiny, 100 images of digits, Linf eps 1/40",
            "",
            "`tiny.json`, 2026-11-25T00:00:00Z, commit 0123456789ab, by",
            "",
            "    python -m eval.bench",
            "",
            "cpu: Some Chip (cpu family 25, model 1), AVX2, 1 threads, torch 2.14.1, Python 3.11.7;"
            " matrix products reach 100 GFLOP/s in fp32 and 50 in bf16; `--precision auto` takes"
            " fp32 here. 1,234 parameters, 5,000,000 multiply-adds an image forward and 5,000,000"
            " backward; the roof in fp32: 0.1 ms a forward and 0.2 ms a gradient (both ways)."
            " Batches of 128, seed 0, one warm-up, 1 repeat: median seconds.",
            "",
            "| pgd-50 | pyautoattack, fp32 (1.2) | ours fp32 (1.2) |",
            "| --- | ---: | ---: |",
            "| clean | 1 s | 1 s |",
            "| pgd-50 | 49 s | 19 s (0.39) |",
            "| **total** | **50 s** | **20 s (0.40)** |",
            "| clean accuracy | 80.00 % | 80.00 % |",
            "| robust accuracy | 60.00 % | 60.00 % |",
            "| other verdicts |  | 0 (0 missed) |",
            "| claims refused | 0 | 0 |",
            "| forwards | 4,000 | 4,000 |",
            "| backwards | 4,000 | 4,000 |",
            "| roof: these passes at the peak | 0.8 s (0.02) | 0.8 s (0.02) |",
            "| share of the roof | 2 % | 4 % |",
            "| time in start |  | 5.0 % |",
            "| time in the network |  | 80.0 % |",
            "| time in attack arithmetic |  | 10.0 % |",
            "| time in verification |  | 4.0 % |",
            "| time in input and output |  | 1.0 % |",
            "| peak memory | 1.00 GB | 1.00 GB |",
            "",
            "- foolbox was not installed: do this",
        ]
    )


def as_first_kind(record: BenchRecord) -> dict[str, Any]:
    """The record as sat-zoo/bench@1 would have it."""
    old: dict[str, Any] = record.model_dump(by_alias=True, mode="json")
    old["schema"] = "sat-zoo/bench@1"
    del old["multiply_adds_backward"], old["machine"]["instructions"]
    others, ours = old["comparisons"][0]["rows"]
    others["peak_share"] = others.pop("roof_seconds") / 49  # of what the stage took
    ours["peak_share"] = ours.pop("roof_seconds") / (20 * 0.8)  # of what the network took
    return old


def test_the_table_of_a_record_of_the_first_kind_has_the_same_roof(
    record: BenchRecord, tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(as_first_kind(record)))
    old = table.markdown(BenchRecord.read(path), "old.json").splitlines()
    new = table.markdown(record, "old.json").splitlines()
    assert old[:6] + old[7:] == new[:6] + new[7:]
    assert "model 1), 1 threads" in old[6]
    assert "1,234 parameters, 5,000,000 multiply-adds an image. Batches" in old[6]


def test_a_record_of_a_later_kind_is_refused(record: BenchRecord, tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    path.write_text(record.model_dump_json(by_alias=True).replace("bench@2", "bench@3"))
    with pytest.raises(ReportError, match=r"is not a valid sat-zoo/bench@2: .*run the bench again"):
        BenchRecord.read(path)
