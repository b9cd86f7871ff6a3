"""Trials: a training and a measurement by each seed, written down as they come."""

from dataclasses import astuple, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from eval.bench import tables
from eval.errors import ReportError
from zoo.train import trials
from zoo.train.trials import HEADER, SeedTrial, read, table

ROOT = Path(__file__).parents[3]

ROW = SeedTrial(
    model="resnet8-silu-sat-digits",
    recipe="recipe.yaml",
    seed=0,
    passes=520,
    cpu_seconds=12.5,
    attack="pgd-50",
    images=360,
    right=350,
    robust=280,
    processor="AMD EPYC (cpu family 25, model 1)",
    torch="2.14.1",
)


def test_a_table_is_read_as_it_was_written() -> None:
    other = replace(ROW, seed=1, robust=281)
    text = "".join(tables.line(cells) for cells in (HEADER, astuple(ROW), astuple(other)))
    assert read(text) == [ROW, other]


def test_seeds_take_turns_and_what_the_file_has_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, int]] = []

    def trial(name: str, seed: int, attack: str) -> SeedTrial:
        made.append((name, seed))
        return replace(ROW, model=name, seed=seed, attack=attack)

    monkeypatch.setattr(trials, "trial", trial)
    out = tmp_path / "trials.csv"
    out.write_text(tables.line(HEADER) + tables.line(astuple(ROW)))
    names = ["resnet8-silu-sat-digits", "resnet8-relu-at-digits"]
    done = CliRunner().invoke(
        trials.command, [*names, "--seed", "0", "--seed", "1", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    silu, relu = names
    assert made == [(relu, 0), (silu, 1), (relu, 1)]
    assert [(row.model, row.seed) for row in read(out.read_text())] == [(silu, 0), *made]
    assert done.output.endswith(
        "| model | passes | CPU seconds | robust images | mean |\n"
        "|---|---|---|---|---|\n"
        f"| `{silu}` | 520 | 12 | 280, 280 | 77.8 % |\n"
        f"| `{relu}` | 520 | 12 | 280, 280 | 77.8 % |\n"
    )


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "model,seed\nx\n", ",".join(HEADER) + "\nx,y,z\n"])
def test_another_table_is_refused(text: str) -> None:
    with pytest.raises(ReportError, match="the file holds no table of trials: name another `out`"):
        read(text)


TABLES = {
    "cheaper": [
        *("resnet8-silu-sat-digits", "resnet8-relu-at-digits"),
        *("resnet8-silu-sat-fast-digits", "resnet8-relu-at-fast-digits"),
        *("resnet8-silu-sat-free-digits", "resnet8-relu-at-free-digits"),
    ],
    "gradients": [
        "resnet8-relu-at-digits",
        *(f"resnet8-relu-smooth-{who}-at-digits" for who in ("attacker", "optimizer", "both")),
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_the_documents_say_what_the_committed_trials_found(name: str) -> None:
    rows = read((ROOT / "zoo/train/bench_results/digits.csv").read_text())
    assert {row.seed for row in rows} == {0, 1, 2}
    page = (ROOT / "zoo/train/README.md").read_text("utf-8")
    _, _, rest = page.partition(f"<!-- table: {name} -->\n\n")
    said, _, _ = rest.partition("\n\n<!-- end -->")
    assert said == table(rows, TABLES[name], "pgd-50")


@pytest.mark.slow
def test_a_trial_is_the_run_of_its_seed_measured_on_all_test_images() -> None:
    found = trials.trial("resnet8-silu-sat-free-digits", 3, "fgsm")
    assert (found.recipe, found.seed, found.passes) == ("recipe-free.yaml", 3, 10 * 4 * 3)
    assert found.images == 360
    assert 300 < found.right <= 360
    assert 200 < found.robust <= found.right
    assert found.cpu_seconds > 1
