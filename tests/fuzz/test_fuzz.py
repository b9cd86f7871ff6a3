"""Each format with a fixed seed; what the longer run found is in `counts.json`."""

import json
import os
import re
import signal
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eval.errors import ReportError
from tests.fuzz import batch as batch_module
from tests.fuzz import case as case_module
from tests.fuzz.__main__ import KINDS
from tests.fuzz.batch import Tally, run_batch
from tests.fuzz.case import Tried, fault_of_sentence
from tests.fuzz.damage import CHANGES, damage_bytes
from tests.fuzz.format import Damage, Format
from tests.fuzz.formats import FORMATS, format_named
from tests.fuzz.jsons import damage_json

N_CASES = 150

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured as Linux tells it"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_damage_ends_in_one_sentence_or_in_data_that_are_not_falsified(name: str) -> None:
    tally = Tally()
    run_batch(name, 0, 0, N_CASES, tally)
    assert tally.failures == [], "\n".join(map(str, tally.failures))
    assert tally.n_cases == N_CASES
    assert tally.counts["refused"] > N_CASES / 5, "the damage does not reach what is checked"


class Pretended(Format):
    """A reader that does what the test says with a file that says `good`."""

    name = "pretended"
    falsified_means = "it is not good"

    def __init__(self, does: Any = None) -> None:
        self.does = does

    def make(self, folder: Path) -> None:
        (folder / "file").write_text("good")

    def damage(self, folder: Path, rng: Random) -> Damage:
        damaged, what = damage_bytes((folder / "file").read_bytes(), rng)
        (folder / "file").write_bytes(damaged)
        return Damage(what)

    def read(self, folder: Path) -> Any:
        content = (folder / "file").read_bytes()
        return content if content == b"good" else self.does(content)

    def falsified(self, folder: Path, found: Any, original: Any, damage: Damage) -> str:
        return "" if found == original else "it is not good"


def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: Any) -> tuple[str, str]:
    monkeypatch.setattr(case_module.resource, "setrlimit", lambda *_: None)
    found = Tried(Pretended(does), tmp_path / "cases").case(seed=0, number=1)
    return found.kind, found.why


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("does", "kind", "why"),
    [
        (lambda _: raise_(ReportError("file is damaged")), "refused", "file is damaged"),
        (lambda _: raise_(ReportError("a\nb")), "failed", "control characters"),
        (lambda _: raise_(ReportError("x" * 601)), "failed", "601 characters"),
        (lambda _: raise_(ReportError("")), "failed", "without a word"),
        (lambda _: raise_(KeyError("x")), "failed", "KeyError"),
        (lambda _: raise_(SystemExit(3)), "failed", "SystemExit"),
        (lambda content: content, "failed", "falsified data accepted: it is not good"),
        (lambda _: b"good", "accepted", ""),
        (lambda _: len(bytearray(600 * 2**20)), "failed", "MB"),
        (lambda _: [0 for _ in iter(int, 1)], "failed", "took 0.1 s"),
    ],
)
def test_an_outcome_is_what_the_reader_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: Any, kind: str, why: str
) -> None:
    monkeypatch.setattr(case_module, "MOST_SECONDS", 0.1 if "took" in why else 2.0)
    found = outcome(tmp_path, monkeypatch, does)
    assert found[0] == kind
    assert why in found[1]


def test_a_wait_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_module, "_WAIT_S", 0.1)
    os.mkfifo(tmp_path / "fifo")
    kind, why = outcome(tmp_path, monkeypatch, lambda _: (tmp_path / "fifo").read_bytes())
    assert (kind, "stopped in the middle" in why) == ("failed", True)


def test_a_case_is_the_same_wherever_it_is_tried(tmp_path: Path) -> None:
    content = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        chosen = format_named("tf_index")
        chosen.make(folder)
        chosen.damage(folder, Random("tf_index 0 5"))
        content.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert content[0] == content[1]


def test_what_ends_the_interpreter_is_a_failure_of_its_case_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "child.py"
    program.write_text(
        "import json, os, sys, time\n"
        "for number in range(int(sys.argv[3]), int(sys.argv[4])):\n"
        "    print(json.dumps({'begins': number}), flush=True)\n"
        "    if number == 2: os.kill(os.getpid(), 11)\n"
        "    if number == 4: time.sleep(60)\n"
        "    if number == 5: print('lost', file=sys.stderr); os._exit(9)\n"
        "    told = {'case': number, 'kind': 'refused', 'why': '', 'damage': '', 'trace': ''}\n"
        "    print(json.dumps(told), flush=True)\n"
    )
    popen = batch_module.subprocess.Popen
    monkeypatch.setattr(
        batch_module.subprocess,
        "Popen",
        lambda line, **more: popen([sys.executable, "-I", "-S", program, *line[3:]], **more),
    )
    monkeypatch.setattr(batch_module, "_SILENCE_S", 2.0)
    tally = Tally()
    run_batch("pretended", 0, 0, 8, tally)
    assert tally.counts == {"refused": 5, "failed": 3}
    assert [(one.case, one.why) for one in tally.failures] == [
        (2, f"ended by {signal.SIGSEGV.name}"),
        (4, "no answer in 2 s"),
        (5, "ended by exit code 9"),
    ]
    assert "lost" in tally.failures[2].trace


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_of_bytes_takes_the_smallest_files(change: Any) -> None:
    for size in (1, 2, 100):
        for seed in range(50):
            assert isinstance(change(bytes(range(size)), Random(seed)), bytes)


def test_damaged_json_is_text_whatever_was_put_in() -> None:
    value = {"a": [1, 2, {"b": None}], "c": "x", "d": 0.5, "e": {}}
    for seed in range(500):
        text, what = damage_json(value, Random(seed))
        assert text
        assert what
        text.encode()


def test_a_sentence_for_people_has_no_fault() -> None:
    assert fault_of_sentence("report r.json is not valid: it is empty; write it again") == ""


def test_the_document_says_what_the_longer_run_found() -> None:
    counts = json.loads((Path(__file__).parent / "counts.json").read_text())
    assert counts["formats"].keys() == FORMATS.keys()
    total = Counter[str]()
    for of_format in counts["formats"].values():
        assert sum(of_format[kind] for kind in KINDS) == of_format["cases"] >= 100
        total.update(of_format)
    text = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()
    said = re.sub(r"\s+", " ", text.split("## What strangers hand over")[1])
    assert f"`{counts['command']}`" in said
    assert f"{total['cases']:,} damaged files of {len(FORMATS)} formats" in said
    assert f"{total['refused']:,} were refused" in said
    assert f"{total['accepted']:,} read" in said
    failed = f"{total['failed']} failed" if total["failed"] else "none failed"
    assert failed in said
