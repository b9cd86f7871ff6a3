"""`sat-zoo leaderboard check`: what a pull request that adds Reports has to pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.report.report import Report
from leaderboard.results import RESULTS
from leaderboard.submit import canonical_name
from tests.leaderboard.forging import Change, all_of, committed, forged, put, verdicts

Make = Callable[..., Report]
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, made: Make) -> Path:
    """A Report that may be added."""
    return named(made(["robust", "pgd-50"] * 5), tmp_path_factory.mktemp("mine"))


def named(report: Report, folder: Path) -> Path:
    path = folder / canonical_name(report)
    report.write(path)
    return path


def changed(mine: Path, change: Change, folder: Path) -> Path:
    """The same with a change, under the name that then is right."""
    path = forged(json.loads(mine.read_text()), change, folder / "r.json")
    return path.rename(folder / canonical_name(Report.read(path)))


def test_good_files_end_with_0_and_a_line_each(sat_zoo: Run, mine: Path) -> None:
    ours = RESULTS / "resnet8-relu-at-digits.pgd-50.json"
    done = sat_zoo("leaderboard", "check", mine, ours)
    assert (done.code, done.err) == (0, "")
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [str(mine), str(ours)]
    assert "can be added: Report(somebody-s-net on 10 of toy" in done.out


def test_every_bad_file_has_one_sentence_and_the_end_is_1(
    sat_zoo: Run, mine: Path, tmp_path: Path
) -> None:
    bad = forged(committed(), verdicts("robust"), tmp_path / "bad.json")
    (tmp_path / "none.json").write_text("{")
    (tmp_path / "link.json").symlink_to(mine)
    files = [bad, mine, tmp_path / "none.json", tmp_path / "link.json", tmp_path / "gone.json"]
    done = sat_zoo("leaderboard", "check", *files)
    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    said = done.err.splitlines()
    assert [str(path) in line for path, line in zip([bad, *files[2:]], said, strict=True)] == [
        True,
        True,
        True,
        True,
    ]
    assert all(line.isprintable() for line in said)
    done = sat_zoo("leaderboard", "check", "--json", *files)
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert found["ok"] is False
    assert [one["ok"] for one in found["files"]] == [False, True, False, False, False]
    reasons = [f"sat-zoo: {one['reason']}" for one in found["files"] if not one["ok"]]
    assert reasons == said
    assert found["files"][1] | {"run": ""} == {
        "file": str(mine),
        "ok": True,
        "reason": None,
        "model": "somebody-s-net",
        "protocol": "pgd-50",
        "name": mine.name,
        "run": "",
        "measured_by": "unknown",
    }


def test_the_name_is_that_of_the_run(sat_zoo: Run, mine: Path, tmp_path: Path) -> None:
    folder = tmp_path / "leaderboard" / "results"
    folder.mkdir(parents=True)
    for name in (mine.name, "best-ever.json"):
        (folder / name).write_bytes(mine.read_bytes())
    assert sat_zoo("leaderboard", "check", folder / mine.name).code == 0
    other = folder / "best-ever.json"
    done = sat_zoo("leaderboard", "check", other)
    why = f"its name is not that of its run: call it {mine.name}"
    assert (done.code, done.err) == (1, f"sat-zoo: report {other}: {why}\n")
    report = other.rename(tmp_path / "report.json")  # which `leaderboard add` will name
    done = sat_zoo("leaderboard", "check", report)
    assert (done.code, done.err) == (0, "")
    assert f"{report}: can be added as {mine.name}: " in done.out


def test_a_run_is_there_once(sat_zoo: Run, mine: Path, tmp_path: Path) -> None:
    again = changed(mine, put("created", "2026-05-05T00:00:00Z"), tmp_path)
    done = sat_zoo("leaderboard", "check", mine, again)
    assert done.code == 1
    assert done.err.count("is of the same run as") == 2
    digits = committed("autoattack")
    theirs = forged(digits, put("created", "2026-11-23T00:00:00Z"), tmp_path / "r.json")
    theirs = theirs.rename(tmp_path / canonical_name(Report.read(theirs)))
    done = sat_zoo("leaderboard", "check", theirs)
    assert "is of the same run as resnet8-silu-sat-digits.autoattack.json, which is" in done.err
    copy = tmp_path / "resnet8-silu-sat-digits.autoattack.json"
    copy.write_bytes((RESULTS / copy.name).read_bytes())  # in another checkout
    assert sat_zoo("leaderboard", "check", copy).code == 0


PRIVATE = {
    "an absolute path": ("command", "sat-zoo eval m --data-dir /home/me/data", "'/home/me/data'"),
    "behind =": ("command", "sat-zoo eval m --data-dir=/scratch/x", "'/scratch/x'"),
    "quoted": ("command", "sat-zoo eval m --weights '/mnt/my weights'", "'/mnt/my'"),
    "a home": ("command", "sat-zoo eval m --weights ~/w.safetensors", "'~/w.safetensors'"),
    "another's home": ("command", "sat-zoo eval m --weights ~jane/w.safetensors", "'~jane/w"),
    "a drive": ("command", r"sat-zoo eval m --data-dir C:\Users\me", r"'C:\Users\me'"),
    "a share": ("command", r"sat-zoo eval m --data-dir \\server\me", "a place on somebody's"),
    "up and down": ("command", "sat-zoo eval m --data-dir ../../home/me", "'/home/me'"),
    "a link to a file": ("command", "sat-zoo eval file:///data/m", "'file:///data/m'"),
    "a token": ("command", "sat-zoo eval m --token hf_abcdefghijklmnopqrst", "a token"),
    "a password": ("command", "PASSWORD=xyzzy sat-zoo eval m", "a password"),
    "mail": ("command", "sat-zoo eval m # me@example.org", "an address of mail"),
    "in a flag": (
        "flags",
        [{"code": "model-dtype", "detail": "see /tmp/log"}],
        "the detail of flag model-dtype holds '/tmp/log'",
    ),
    "a flag of nobody": ("flags", [{"code": "best-ever", "detail": ""}], "the flag 'best-ever'"),
}


@pytest.mark.parametrize(("field", "value", "why"), PRIVATE.values(), ids=PRIVATE.keys())
def test_what_concerns_nobody_else_stays_at_home(
    sat_zoo: Run, mine: Path, tmp_path: Path, field: str, value: Any, why: str
) -> None:
    path = changed(mine, put(field, value), tmp_path)
    done = sat_zoo("leaderboard", "check", path)
    assert (done.code, done.out) == (1, "")
    assert why in done.err
    assert done.err.count("\n") == 1
    assert "abcdefgh" not in done.err
    assert "xyzzy" not in done.err


@pytest.mark.parametrize(
    "command",
    [
        "sat-zoo eval resnet8-silu-sat-digits --attack quick@1 --eps 8/255 --step-size eps/4",
        "sat-zoo eval m --data-dir ../shared/data/cifar10 --out a/b.json --weights w/x.safetensors",
        "sat-zoo eval --timm hf-hub:owner/name --url https://example.org/a/b",
        "",
    ],
)
def test_what_is_no_secret_may_stand_there(
    sat_zoo: Run, mine: Path, tmp_path: Path, command: str
) -> None:
    assert (
        sat_zoo("leaderboard", "check", changed(mine, put("command", command), tmp_path)).code == 0
    )


def test_the_verdicts_of_another_model_are_a_copy(sat_zoo: Run, tmp_path: Path) -> None:
    stolen = all_of(
        put("model.name", "mine"),
        put("model.source", "file"),
        put("model.file_sha256", None),
        put("model.weights_sha256", "0f1e2d3c" * 8),
    )
    path = forged(committed(), stolen, tmp_path / "r.json")
    path = path.rename(tmp_path / canonical_name(Report.read(path)))
    done = sat_zoo("leaderboard", "check", path)
    assert done.code == 1
    assert "each of its 360 images has the verdict of resnet8-silu-sat-digits.pgd-50" in done.err
