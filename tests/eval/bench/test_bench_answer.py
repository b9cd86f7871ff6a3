"""Seconds until a valid interval, with a few steps on a tiny network."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval.bench import machine, table
from eval.bench.__main__ import command
from eval.bench.answer import measure_answer
from eval.bench.contenders import Setup
from eval.bench.record import Answer, BenchRecord, Timing
from eval.bench.runner import run_bench
from eval.data import ImageSet
from eval.ending import EarlyEnd
from eval.errors import UsageError
from eval.evaluation import evaluate
from tests.eval.bench.conftest import cut


@pytest.fixture(scope="module")
def larger(setup: Setup, tiny_data: ImageSet) -> Setup:
    return replace(setup, data=tiny_data.take(60), batch_size=4)


@pytest.fixture(scope="module")
def record(larger: Setup) -> BenchRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "PEAK_S", 0.01)
        patch.setattr(machine, "SIZES", {"cpu": (64,)})
        return run_bench(
            larger,
            pgd=None,
            precisions=["fp32"],
            repeats=2,
            command="python -m eval.bench --answer 12",
            say=lambda _: None,
            ending=EarlyEnd(points=12),
        )


def test_an_answer_is_as_narrow_as_asked_and_holds_the_number_of_the_whole_run(
    record: BenchRecord,
) -> None:
    answer, ours = record.answer, record.comparisons[0].rows[1]
    assert answer is not None
    low, high = answer.full_run
    assert (high - low) / 2 <= 0.12
    assert low - 1e-6 <= ours.robust_accuracy <= high + 1e-6
    assert answer.settled <= answer.survivors
    assert len(answer.seconds.repeats) == 2
    assert answer.precision == ours.precision == "fp32"


def test_it_takes_fewer_passes_than_the_whole_run(record: BenchRecord) -> None:
    answer, ours = record.answer, record.comparisons[0].rows[1]
    assert answer is not None
    assert answer.settled < answer.survivors
    assert 0 < answer.forwards + answer.backwards < ours.forwards + ours.backwards


@pytest.mark.parametrize("points", [3.0, 25.0])
def test_an_answer_is_that_of_an_evaluation_until_then(larger: Setup, points: float) -> None:
    whole = replace(larger, protocol=cut("pgd-50", 50).model_copy(update={"name": "pgd-50"}))
    told: list[str] = []
    answer = measure_answer(whole, "fp32", EarlyEnd(points=points), repeats=1, say=told.append)
    report = evaluate(
        whole.model,
        whole.data,
        attack="pgd-50",
        eps=whole.threat.eps_text,
        precision="fp32",
        batch_size=whole.batch_size,
        until=points,
    )
    assert report.estimate is not None
    assert answer.full_run == report.estimate.full_run
    assert (answer.survivors, answer.settled) == (
        report.estimate.survivors,
        report.estimate.settled,
    )
    assert answer.after == report.estimate.after == "clean"
    assert [f"± {points:g}: " in text for text in told] == [True]


def test_the_narrowest_answer_is_the_exact_number(larger: Setup) -> None:
    ending = EarlyEnd(points=1e-6)
    answer = measure_answer(larger, "fp32", ending, repeats=1, say=lambda _: None)
    assert answer.full_run[0] == answer.full_run[1]
    assert answer.settled == answer.survivors


def test_a_record_with_an_answer_reads_back_equal_and_one_without_is_read(
    record: BenchRecord, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    record.write(path)
    assert BenchRecord.read(path) == record
    content = json.loads(path.read_text())
    del content["answer"]
    path.write_text(json.dumps(content))
    assert BenchRecord.read(path) == record.model_copy(update={"answer": None})


def test_the_table_tells_the_answer_beside_both_whole_runs(record: BenchRecord) -> None:
    theirs, ours = record.comparisons[0].rows
    theirs = theirs.model_copy(update={"seconds": Timing.of([200.0])})
    ours = ours.model_copy(
        update={
            "seconds": Timing.of([100.0]),
            "forwards": 30_000,
            "backwards": 10_000,
            "robust_accuracy": 0.4,
        }
    )
    answer = Answer(
        points=2,
        precision="fp32",
        seconds=Timing.of([9.0, 11.0]),
        forwards=3_000,
        backwards=1_000,
        after="apgd-ce",
        survivors=1_200,
        settled=40,
        full_run=(0.38, 0.41),
    )
    whole = record.comparisons[0].model_copy(update={"rows": (theirs, ours)})
    shown = record.model_copy(update={"answer": answer, "comparisons": (whole,)})
    said = (
        "A valid interval of ± 2 points: after **10 ± 1 s**, which is 0.05 of pyautoattack's whole"
        " time and 0.10 of ours, fp32; 3,000 forwards and 1,000 backwards, 10.0 % of our passes."
        " With apgd-ce the last stage on all images and 40 of 1,200 survivors settled it is 38.0 to"
        " 41.0 %, and holds the whole run's 40.00 %."
    )
    assert said in table.markdown(shown, "x.json").splitlines()
    missed = answer.model_copy(update={"full_run": (0.41, 0.42)})
    text = table.markdown(shown.model_copy(update={"answer": missed}), "x.json")
    assert "41.0 to 42.0 %, and does not hold the whole run's 40.00 %." in text
    assert "interval" not in table.markdown(shown.model_copy(update={"answer": None}), "x.json")


def test_the_command_measures_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "PEAK_S", 0.01)
    monkeypatch.setattr(machine, "SIZES", {"cpu": (64,)})
    out = tmp_path / "record.json"
    words = "--n 8 --eps 3/16 --steps 1 --repeats 1 --pgd none --answer 20"
    model = ["--factory", "zoo:load", "--model", "resnet8-silu-sat-digits"]
    command.main([*model, *words.split(), "--out", str(out)], standalone_mode=False)
    kept = BenchRecord.read(out)
    assert kept.answer is not None
    assert kept.answer.points == 20
    assert "A valid interval of ± 20 points: after" in capsys.readouterr().out


@pytest.mark.parametrize("points", ["0", "-1", "50", "nan", "inf"])
def test_widths_that_cannot_be_are_refused(points: str) -> None:
    with pytest.raises(UsageError, match=f"--answer {points} is no half width of an interval"):
        command.main(["--answer", points], standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--answer", "1"], "--factory is missing"),
        (["--answer", "1", "--write-readme"], "--factory is missing"),
        (["--answer", "1", "--attack", "none"], "--answer is the time of an attack, and --attack"),
    ],
)
def test_an_answer_needs_a_model_and_an_attack(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        command.main(arguments, standalone_mode=False)
