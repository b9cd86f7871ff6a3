"""Evidence is pushed beside the weights, pulled, verified by a stranger; what is none is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from eval.adversarial import AdversarialImages, Origin
from eval.evidence.file import read_evidence
from eval.report.report import Report
from tests.hubserver import HubServer
from tests.zoo.cli.travelling import (
    BUNDLED,
    DIGITS,
    STEM,
    Run,
    bundled,
    home,
    part,
    pushed,
)
from zoo.hub.pins import Pin, pin_of

__all__ = ["bundled", "home", "pushed"]  # fixtures


def test_what_was_pushed_is_pulled_and_verified_by_a_stranger(
    sat_zoo: Run, hub: HubServer, pushed: Pin, bundled: Path, tmp_path: Path
) -> None:
    there = f"evidence/{STEM}.safetensors"
    files = hub.files("org/" + DIGITS, pushed.revision)
    assert [one.file for one in pushed.evidence] == [there]
    assert f"reports/{STEM}.json" in files
    page = files["README.md"].decode()
    assert f"| `{there}` | `reports/{STEM}.json` | 69 | at most 288 of 360 robust |" in page
    assert f"sat-zoo pull {DIGITS} --evidence" in page
    shutil.rmtree(bundled)

    done = sat_zoo("verify", DIGITS)
    assert done.code == 3
    assert f"is not on this machine: fetch it with: sat-zoo pull {DIGITS} --evidence" in done.err
    done = sat_zoo("pull", DIGITS, "--evidence", "--to", tmp_path / "to")
    assert done.code == 0, done.err
    assert f"{DIGITS}: {STEM}.safetensors, " in done.out
    assert "69 adversarial images" in done.out
    assert (tmp_path / "to" / f"{STEM}.safetensors").read_bytes() == files[there]
    hub.requests.clear()
    assert "at most 288 of 360" in sat_zoo("verify", DIGITS).out
    assert hub.requests == []

    done = sat_zoo("verify", f"hf-hub:org/{DIGITS}@{pushed.revision}")
    assert done.code == 0, done.err
    assert "at most 288 of 360" in done.out


def test_a_repository_that_is_named_brings_and_pins_its_evidence(
    sat_zoo: Run, pushed: Pin, home: Path
) -> None:
    (home / "pins.json").unlink()
    args = ("--repo", f"org/{DIGITS}", "--revision", "main", "--evidence", "--pin")
    done = sat_zoo("pull", DIGITS, *args)
    assert done.code == 0, done.err
    assert pin_of(DIGITS) == pushed
    assert json.loads((home / "pins.json").read_text())[DIGITS]["evidence"][0]["size"] > 1000


def test_evidence_of_an_earlier_upload_goes(sat_zoo: Run, hub: HubServer, pushed: Pin) -> None:
    assert sat_zoo("push", DIGITS, "--namespace", "org").code == 0
    assert not any(path.startswith("evidence/") for path in hub.files(f"org/{DIGITS}"))
    pin = pin_of(DIGITS)
    assert pin is not None
    assert pin.evidence == ()
    assert "evidence" not in pin.model_dump()


def test_what_comes_otherwise_than_pinned_is_not_kept(
    sat_zoo: Run, hub: HubServer, pushed: Pin, bundled: Path
) -> None:
    shutil.rmtree(bundled)
    commit = hub.repos[f"org/{DIGITS}"].commits[pushed.revision]
    file = commit.files[f"evidence/{STEM}.safetensors"]
    commit.files[f"evidence/{STEM}.safetensors"] = type(file)(  # type: ignore[index]
        file.content[:-1] + b"\xff", is_lfs=True
    )
    done = sat_zoo("pull", DIGITS, "--evidence")
    assert done.code == 1
    assert "the pin says" in done.err
    assert sat_zoo("verify", DIGITS).code == 3


def test_evidence_larger_than_allowed_is_not_asked_for(
    sat_zoo: Run, hub: HubServer, pushed: Pin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAT_ZOO_LIMITS", "evidence_bytes=2000")
    hub.requests.clear()
    done = sat_zoo("pull", DIGITS, "--evidence")
    assert done.code == 1
    assert "more than the 2,000 allowed; SAT_ZOO_LIMITS=evidence_bytes=" in done.err
    assert hub.seen("^GET .*evidence") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            part("model", weights_sha256="0123" * 16),
            "is of other weights (012301230123) than those",
        ),
        (part("protocol", name="pgd-20"), "its protocol (pgd-20) is that of none of"),
        (part("data", name="cifar10"), "its data set (cifar10, test) is that of none of"),
        (part("threat", eps_text="1/4"), "its ball (Linf 1/4) is that of none of"),
        (part("data", pixels_sha256="0123" * 16), "its choice of images (360, pixels 0123"),
        (
            lambda report: part("images", labels=(9, *report.images.labels[1:]))(report),
            "its list of labels (360) is that of none of",
        ),
        (lambda report: report.model_copy(update={"seed": 7}), "its model, engine, seed or count"),
        (part("survive_8bit", broken_after_rounding=3), "its model, engine, seed or count in 8 bi"),
    ],
)
def test_evidence_of_anything_else_is_not_pushed_and_the_reason_is_named(
    sat_zoo: Run,
    hub: HubServer,
    tmp_path: Path,
    change: Callable[[Report], Report],
    message: str,
) -> None:
    path = tmp_path / "e.safetensors"
    found = read_evidence(BUNDLED / f"{STEM}.safetensors").images
    report = change(found.report)
    # As `save_adversarial` wrote it: its reader asks nothing that the Report's own does not.
    origin = Origin.of(report, found.origin.ids, found.origin.pixels_sha256)
    AdversarialImages(found.x_adv, origin, report).write(path)
    done = sat_zoo("push", DIGITS, "--namespace", "org", "--evidence", path)
    assert done.code == 1
    assert message in done.err or "cannot be read" in done.err
    assert done.err.count("\n") == 1
    assert hub.requests == []


def test_evidence_that_does_not_hold_is_not_pushed(
    sat_zoo: Run, hub: HubServer, tmp_path: Path
) -> None:
    path = tmp_path / "e.safetensors"
    found = read_evidence(BUNDLED / f"{STEM}.safetensors").images
    for change, message in (
        (lambda x: x.__setitem__(4, 0.5), "does not hold: 1 of 69 images are not adversarial"),
        (lambda x: x.__setitem__(4, float("nan")), "does not hold: 1 of 69 images are not advers"),
    ):
        x_adv = found.x_adv.clone()
        change(x_adv)
        AdversarialImages(x_adv, found.origin, found.report).write(path)
        done = sat_zoo("push", DIGITS, "--namespace", "org", "--evidence", path)
        assert (done.code, hub.requests) == (1, [])
        assert message in done.err


def test_the_same_report_is_proved_once(sat_zoo: Run, hub: HubServer) -> None:
    path = BUNDLED / f"{STEM}.safetensors"
    done = sat_zoo("push", DIGITS, "--namespace", "o", "--evidence", path, "--evidence", path)
    assert done.code == 2
    assert f"is of {STEM}.json, as another one is: give one" in done.err
