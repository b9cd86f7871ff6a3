from dataclasses import replace
from pathlib import Path

import pytest

from eval.bench import machine, table
from eval.bench.__main__ import command
from eval.bench.contenders import Setup
from eval.bench.record import BenchRecord
from eval.bench.runner import run_bench
from eval.errors import ReportError, UsageError
from eval.protocols import Protocol
from tests.eval.bench.conftest import cut


@pytest.fixture(scope="module")
def record(setup: Setup) -> BenchRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "PEAK_S", 0.01)
        patch.setattr(machine, "SIZES", {"cpu": (64,)})
        return run_bench(
            setup,
            pgd=cut("pgd-50", 3),
            precisions=["fp32", "bf16"],
            repeats=2,
            command="python -m eval.bench",
            say=lambda _: None,
        )


def test_the_record_compares_everyone_with_the_authors_package(record: BenchRecord) -> None:
    standard, pgd = record.comparisons
    assert [row.name for row in standard.rows] == ["pyautoattack", "ours fp32", "ours bf16"]
    assert [row.precision for row in standard.rows] == ["fp32", "fp32", "bf16"]
    ours_in_pgd = ["ours fp32", "ours bf16", "ours fp32, --last-iterate"]
    assert [row.name for row in pgd.rows][-3:] == ours_in_pgd
    reference, ours, _ = standard.rows
    assert (reference.ratio, reference.n_differ) == (1, 0)
    assert reference.clean_accuracy == ours.clean_accuracy == 0.75
    assert 0 <= ours.robust_accuracy < 0.75
    assert ours.n_differ >= ours.n_missed
    assert reference.n_rejected == ours.n_rejected == 0


def test_the_totals_of_a_record_follow_from_its_stages(record: BenchRecord) -> None:
    for comparison in record.comparisons:
        first = comparison.rows[0]
        for row in comparison.rows:
            assert [s.name for s in row.stages] == ["clean", *(s.name for s in comparison.stages)]
            for i, total in enumerate(row.seconds.repeats):
                assert total == pytest.approx(sum(s.seconds.repeats[i] for s in row.stages))
            ratios = [
                a / b for a, b in zip(row.seconds.repeats, first.seconds.repeats, strict=True)
            ]
            assert row.ratio == pytest.approx(sum(ratios) / 2)  # the median of two
            attacks = row.stages[1:]
            assert row.forwards == sum(s.forwards for s in attacks) > 0
            assert row.backwards == sum(s.backwards for s in attacks)
            n_broken = sum(s.broken for s in attacks)
            assert attacks[0].attacked - n_broken == pytest.approx(16 * row.robust_accuracy)
            assert attacks[-1].accuracy_after == row.robust_accuracy


def test_pgd_to_the_last_iterate_takes_more_passes_to_the_same_verdicts(
    record: BenchRecord,
) -> None:
    leaving, _, going_on = record.comparisons[1].rows[-3:]
    assert leaving.backwards < going_on.backwards
    assert going_on.backwards >= 12 * 3  # right images, steps; and what is searched once more
    assert leaving.stages[1].broken == going_on.stages[1].broken > 0
    assert leaving.n_differ == going_on.n_differ


def test_our_time_is_split_into_shares_that_sum_to_one(record: BenchRecord) -> None:
    for row in (row for comparison in record.comparisons for row in comparison.rows):
        if not row.name.startswith("ours"):
            assert row.shares is None
            continue
        assert row.shares is not None
        parts = row.shares.model_dump()
        assert sum(parts.values()) == pytest.approx(1)
        assert min(parts.values()) > 0


def test_the_roof_is_the_multiply_adds_of_the_passes_at_the_peak(record: BenchRecord) -> None:
    forward, backward = record.multiply_adds, record.multiply_adds_backward
    assert backward is not None
    for row in (row for comparison in record.comparisons for row in comparison.rows):
        if row.precision == "bf16":
            continue
        operations = 2 * (row.forwards * forward + row.backwards * backward)
        assert row.roof_seconds == pytest.approx(operations / record.machine.matmul_fp32 / 1e9)


def test_a_record_reads_back_equal_and_a_changed_one_is_refused(
    record: BenchRecord, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    record.write(path)
    assert BenchRecord.read(path) == record
    path.write_text(path.read_text().replace('"n_missed"', '"n_lost"', 1))
    with pytest.raises(ReportError, match=r"is not a valid sat-zoo/bench@2: .*run the bench"):
        BenchRecord.read(path)
    with pytest.raises(ReportError, match="none cannot be read: No such file"):
        BenchRecord.read(tmp_path / "none")


def test_the_table_in_the_readme_says_what_the_records_say() -> None:
    text = table.README.read_text("utf-8")
    assert table.with_tables(text, table.RESULTS) == text


def test_tables_replace_what_is_between_the_markers(record: BenchRecord, tmp_path: Path) -> None:
    text = f"before\n{table.BEGIN}\nthe last tables\n{table.END}\nafter\n"
    assert "No benchmark has been recorded yet." in table.with_tables(text, tmp_path)
    record.write(tmp_path / "tiny.json")
    new = table.with_tables(text, tmp_path)
    assert new.startswith(f"before\n{table.BEGIN}\n### tiny, 16 images of custom, Linf eps 1/40\n")
    assert new.endswith(f"{table.END}\nafter\n")
    assert "the last tables" not in new
    assert table.with_tables(new, tmp_path) == new
    row = record.comparisons[0].rows[1]
    assert f"| {row.forwards:,} |" in new
    assert f"({row.ratio:.2f})**" in new
    with pytest.raises(ReportError, match="needs one line <!-- bench:begin -->"):
        table.with_tables("no markers", tmp_path)


def test_the_command_keeps_the_record_and_writes_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "PEAK_S", 0.01)
    monkeypatch.setattr(machine, "SIZES", {"cpu": (64,)})
    monkeypatch.setattr(table, "README", tmp_path / "README.md")
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results")
    table.README.write_text(f"{table.BEGIN}\n{table.END}\n")
    options = "--n 4 --eps 3/16 --steps 1 --repeats 1 --pgd none"
    model = "resnet8-silu-sat-digits"
    arguments = ["--factory", "zoo:load", "--model", model, "--write-readme", *options.split()]
    command.main([*arguments, "--precision", "auto"], standalone_mode=False)
    kept = BenchRecord.read(tmp_path / "results" / f"digits-{model}-cpu.json")
    assert kept.comparisons[0].protocol == "autoattack-standard@1 cut to 1 steps"
    assert [row.name for row in kept.comparisons[0].rows] == ["pyautoattack", "ours auto"]
    assert capsys.readouterr().out.strip() in table.README.read_text()
    before = table.README.read_text()
    command.main(["--write-readme"], standalone_mode=False)
    assert table.README.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--factory is missing: give for example --factory zoo:load"),
        (["--factory", "zoo"], r"`factory` 'zoo' is not MODULE:FUNCTION"),
        (["--factory", "no.such:load"], "'no.such:load': there is no module no: name"),
        (["--factory", "builtins:dict"], "made a dict, no torch.nn.Module"),
        (["--factory", "zoo:load", "--attack", "pgd-5"], "'pgd-5' is not in pyautoattack: use"),
        (["--factory", "zoo:load", "--device", "gpu"], "`device` 'gpu' cannot be used here"),
    ],
)
def test_options_that_cannot_be_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        command.main(arguments, standalone_mode=False)


def test_pgd_can_be_compared_alone(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PEAK_S", 0.01)
    monkeypatch.setattr(machine, "SIZES", {"cpu": (64,)})
    alone = run_bench(
        replace(setup, protocol=Protocol(name="none", stages=())),
        pgd=cut("pgd-50", 2),
        precisions=["fp32"],
        repeats=1,
        command="python -m eval.bench --attack none",
        say=lambda _: None,
    )
    (pgd,) = alone.comparisons
    assert [row.name for row in pgd.rows][-2:] == ["ours fp32", "ours fp32, --last-iterate"]
    assert "autoattack" not in table.markdown(alone, "x.json")


def test_nothing_to_compare_is_refused() -> None:
    words = ["--factory", "zoo:load", "--attack", "none", "--pgd", "none"]
    with pytest.raises(UsageError, match="--attack none and --pgd none leave nothing to compare"):
        command.main(words, standalone_mode=False)
