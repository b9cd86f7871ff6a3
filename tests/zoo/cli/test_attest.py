"""`sat-zoo attest`, and `sat-zoo verify` of what it writes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, which
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.bridged import bridged
from zoo.attest.envelope import Attestation, envelope_text
from zoo.attest.statement import to_bytes
from zoo.registry import FAMILIES

RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"
DIGITS = "resnet8-silu-sat-digits"
Run = Callable[..., Any]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes((RESULTS / f"{DIGITS}.pgd-50.json").read_bytes())
    return path


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A pair of keys by the very commands of the help."""
    bridged("cryptography")
    if which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    for command in (
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)],
        ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(public)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return key, public


@pytest.fixture
def attested(sat_zoo: Run, report: Path, keys: tuple[Path, Path]) -> Path:
    done = sat_zoo("attest", str(report), "--key", str(keys[0]))
    assert done.code == 0, done.err
    assert "signed by the ed25519 key" in done.out
    assert done.err == ""
    return report.with_name("report.att.json")


def test_a_signed_report_is_verified_with_its_weights_and_pictures(
    sat_zoo: Run, attested: Path, keys: tuple[Path, Path]
) -> None:
    done = sat_zoo("verify", str(attested), "--public-key", str(keys[1]))
    assert done.code == 0, done.err
    for said in (
        "is the very report that it is of: its sha256",
        "is the very file that",
        "the 360 pictures of digits here have the pixels that were measured",
        f"report.att.json: signed by the key {Attestation.read(attested).signatures[0].keyid[:12]}",
        "every total follows from the verdicts",
    ):
        assert said in done.out


def test_without_a_key_nobody_signs_and_it_is_said_loudly_and_not_accepted(
    sat_zoo: Run, report: Path, keys: tuple[Path, Path]
) -> None:
    done = sat_zoo("attest", str(report))
    assert done.code == 0
    assert "NOT SIGNED" in done.out
    assert "sat-zoo: NOT SIGNED: anybody can write what is in" in done.err
    path = report.with_name("report.att.json")
    for more in ([], ["--public-key", str(keys[1])]):
        done = sat_zoo("verify", str(path), *more)
        assert done.code == 1
        assert "is not to be trusted: " in done.err
    assert "it is not signed: anybody can have written it" in done.err


def test_a_key_that_nobody_named_is_not_trusted(sat_zoo: Run, attested: Path) -> None:
    done = sat_zoo("verify", str(attested))
    assert done.code == 1
    assert "NOT CHECKED: it claims the key" in done.err
    assert "--public-key FILE" in done.err


def test_another_key_is_refused(
    sat_zoo: Run, attested: Path, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    other = tmp_path / "other"
    if which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
    subprocess.run(make, check=True)
    public = str(other.with_suffix(".pub"))
    done = sat_zoo("verify", str(attested), "--public-key", public)
    assert done.code == 1
    assert "none of its 1 signatures is of the key in" in done.err
    where = str(tmp_path / "second.att.json")
    assert (
        sat_zoo("attest", str(tmp_path / "report.json"), "--key", other, "--out", where).code == 0
    )
    assert sat_zoo("verify", where, "--public-key", public).code == 0


def stated_otherwise(path: Path, *place: Any, value: Any) -> None:
    """Change what an attestation states, and leave its signatures."""
    found = Attestation.read(path)
    at: Any = found.statement
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    path.write_bytes(envelope_text(to_bytes(found.statement), found.signatures))


DEPENDENCIES = ("predicate", "buildDefinition", "resolvedDependencies")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("subject", 0, "digest", "sha256"), "the Report: sha256 is abababababab"),
        ((*DEPENDENCIES, 1, "digest", "weights_sha256"), "weights: weights_sha256 is ababab"),
        ((*DEPENDENCIES, 3, "digest", "pixels_sha256"), "data pixels: pixels_sha256 is ababab"),
        ((*DEPENDENCIES, 4, "uri"), "sat-zoo: uri is ababab"),
    ],
)
def test_what_differs_is_named_and_the_signature_too(
    sat_zoo: Run, attested: Path, keys: tuple[Path, Path], place: tuple[Any, ...], said: str
) -> None:
    stated_otherwise(attested, *place, value="ab" * 32)
    done = sat_zoo("verify", str(attested), "--public-key", str(keys[1]))
    assert done.code == 1
    assert said in done.err
    assert "signature: none of its 1 signatures is of the key" in done.err


def test_a_report_that_was_changed_is_not_that_report(
    sat_zoo: Run, attested: Path, report: Path, keys: tuple[Path, Path]
) -> None:
    trusted = ("--public-key", str(keys[1]))
    report.write_text(report.read_text() + "\n")
    done = sat_zoo("verify", str(attested), *trusted)
    assert done.code == 1
    assert "the Report: sha256 is" in done.err
    assert "signature" not in done.err
    report.write_text("{}")
    done = sat_zoo("verify", str(attested), *trusted)
    assert done.code == 1
    assert "is not a valid sat-zoo/report@1" in done.err
    report.unlink()
    done = sat_zoo("verify", str(attested), *trusted)
    assert done.code == 2
    assert "'report.json', which is not beside it: name it with --report" in done.err


def test_other_weights_than_the_measured_are_named(
    sat_zoo: Run, attested: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.safetensors"
    state = load_file(FAMILIES / "digits" / f"{DIGITS}.safetensors")
    save_file({name: value + 1 for name, value in state.items()}, other)
    trusted = ("--public-key", str(keys[1]))
    done = sat_zoo("verify", str(attested), *trusted, "--weights", str(other))
    assert done.code == 1
    assert "does not hold: weights: " in done.err
    assert "is not what" in done.err


def test_another_report_can_be_named_and_lies_where_it_likes(
    sat_zoo: Run, attested: Path, report: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "far").mkdir()
    moved = report.rename(tmp_path / "far" / "renamed.json")
    trusted = ("--public-key", str(keys[1]))
    assert sat_zoo("verify", str(attested), *trusted, "--report", str(moved)).code == 0
    other = RESULTS / f"{DIGITS}.clean.json"
    done = sat_zoo("verify", str(attested), *trusted, "--report", str(other))
    assert done.code == 1
    assert "protocol is pgd-50#" in done.err


@pytest.mark.parametrize("name", ["../report.json", "/etc/hostname", "", "a\x1b[2Jb", "."])
def test_the_stated_name_leads_nowhere(sat_zoo: Run, report: Path, name: str) -> None:
    (report.parent / "in").mkdir()
    path = report.parent / "in" / "x.att.json"
    assert sat_zoo("attest", str(report), "--out", str(path)).code == 0
    stated_otherwise(path, "subject", 0, "name", value=name)
    done = sat_zoo("verify", str(path))
    assert done.code == 2
    assert "which is not beside it" in done.err
    assert done.err.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["attest", "no.json"], 2, "no.json is not a file: name a report"),
        (["attest", "R", "--key", "k", "--sigstore"], 2, "--key k and --sigstore both sign"),
        (["attest", "R", "--out", "R"], 2, "is the report itself"),
        (["attest", "R", "--out", "no/x"], 1, "the folder no does not exist"),
        (["attest", "R", "--key", "no"], 2, "key no cannot be read (No such file"),
        (["verify", "R", "--public-key", "k"], 2, "--public-key k is for an attestation, and"),
        (["verify", "R", "--issuer", "k"], 2, "--issuer k is for an attestation"),
        (["verify", "A", "--issuer", "k"], 2, "--identity and --issuer belong together"),
        (["verify", "A", "--report", "no"], 2, "--report no is not a file"),
        (["verify", "A", "--public-key", "no"], 2, "key no cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence(
    sat_zoo: Run, report: Path, words: list[str], code: int, said: str
) -> None:
    bridged("cryptography")
    path = report.with_name("report.att.json")
    assert sat_zoo("attest", str(report)).code == 0
    there = {"R": str(report), "A": str(path)}
    done = sat_zoo(*(there.get(word, word) for word in words))
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert said in done.err


def test_nobody_signs_a_report_that_does_not_hold(sat_zoo: Run, report: Path) -> None:
    content = json.loads(report.read_text())
    content["robust"]["correct"] = 300
    report.write_text(json.dumps(content))
    done = sat_zoo("attest", str(report))
    assert done.code == 1
    assert "robust.correct is 300" in done.err
    content = json.loads((RESULTS / f"{DIGITS}.pgd-50.json").read_text())
    content["protocol"]["name"] = "autoattack-standard@1"
    report.write_text(json.dumps(content))
    done = sat_zoo("attest", str(report))
    assert done.code == 1
    assert "nothing was signed" in done.err
    assert not report.with_name("report.att.json").exists()


def test_pictures_elsewhere_and_models_of_others_are_said_not_to_be_looked_at(
    sat_zoo: Run, tmp_path: Path
) -> None:
    copytree(RESULTS, tmp_path / "r")
    report = next((tmp_path / "r").glob("resnet18-w16-silu-sat-cifar10.clean*.json"))
    sat_zoo("attest", str(report))
    done = sat_zoo("verify", str(report.with_name(f"{report.stem}.att.json")))
    assert "were not looked at: only their digests agree" in done.out
