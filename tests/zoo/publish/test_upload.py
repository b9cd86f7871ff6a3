import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from eval.errors import SatZooError, WeightsMismatch
from tests.hubserver import FOREVER, Fault, HubServer
from zoo.publish.package import File, Package
from zoo.publish.upload import publish

REPO = "org/net"
TOKEN = "hf_aVerySecretToken"
WEIGHTS = bytes(range(256)) * 40
PAGE = b"---\nlicense: mit\n---\n# net\n"


@pytest.fixture(autouse=True)
def _login(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.tokens[TOKEN] = "write"


def package(*more: File) -> Package:
    page = File.of("README.md", PAGE)
    return Package("net", REPO, (File.of("model.safetensors", WEIGHTS), page, *more))


def test_everything_comes_in_one_commit_and_the_pin_names_it(hub: HubServer) -> None:
    whole = package(File.of("reports/a.json", b"{}"))
    pin = publish(whole, endpoint=hub.url)
    assert len(hub.seen("^POST .*/commit/")) == 1
    files = hub.files(REPO, pin.revision)
    assert {path: files[path] for path in files if path != ".gitattributes"} == {
        "model.safetensors": WEIGHTS,
        "README.md": PAGE,
        "reports/a.json": b"{}",
    }
    assert (pin.repo, pin.file, pin.size) == (REPO, "model.safetensors", len(WEIGHTS))
    assert pin.sha256 == whole.weights.sha256
    assert hub.repos[REPO].branches["main"] == pin.revision


def test_reports_of_an_earlier_upload_go_and_other_files_stay(hub: HubServer) -> None:
    old = {"reports/old.json": b"{}", "recipe.yaml": b"", "metrics.jsonl": b"", "LICENSE": b"text"}
    results = {".eval_results/sat-zoo.old.yaml": b"[]", ".eval_results/theirs.yaml": b"[]"}
    hub.add(REPO, old | results)
    publish(package(File.of("reports/new.json", b"{}")), endpoint=hub.url)
    kept = {
        "LICENSE",
        ".eval_results/theirs.yaml",
        "model.safetensors",
        "README.md",
        "reports/new.json",
    }
    assert set(hub.files(REPO)) == kept


def test_private_means_private(hub: HubServer) -> None:
    publish(package(), private=True, endpoint=hub.url)
    assert hub.repos[REPO].private
    hub.repos[REPO].private = False
    with pytest.raises(SatZooError, match="exists and is public, and what is uploaded would be"):
        publish(package(), private=True, endpoint=hub.url)
    assert len(hub.seen("^POST .*/commit/")) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(on="repos/create", status=401), "does not accept the token"),
        (Fault(on="repos/create", status=403), "may not write there"),
        (Fault(on="repos/create", status=404), "knows no such place"),
        (Fault(on="preupload", status=403), "may not write there"),
        (Fault(on="objects/batch", status=413), "finds a file too large"),
        (Fault(on="PUT", status=403), "may not write there"),
        (Fault(on="commit", status=412), "somebody else has changed the repository meanwhile"),
        (Fault(on="commit", status=500), r"out of order \(HTTP 500\)"),
        (Fault(on="commit", status=418), r"HTTP 418 \(a fault on purpose\)"),
        (Fault(on="HEAD", status=403), "may not write there"),
    ],
    ids=lambda value: f"{value.on} {value.status}" if isinstance(value, Fault) else "",
)
def test_a_refusal_is_one_sentence_without_the_token(
    hub: HubServer, fault: Fault, message: str
) -> None:
    fault.times = FOREVER
    hub.break_next(fault)
    with pytest.raises(SatZooError, match=message) as caught:
        publish(package(), endpoint=hub.url)
    said = str(caught.value)
    assert caught.value.exit_code == 1
    assert said.startswith(f"{REPO} cannot be published: ")
    assert "\n" not in said
    assert TOKEN not in said
    assert caught.value.__suppress_context__  # --debug would print what the server said


def test_a_server_that_repeats_the_token_does_not_get_it_printed(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = File.of("README.md", b"no metadata")
    weights = package().weights
    answer = json.dumps({"errors": [{"message": f"{TOKEN}, hf_other"}], "warnings": []}).encode()
    monkeypatch.setattr(
        "tests.hubserver.handler.Handler._on_validate_yaml",
        lambda self, body: self._send(answer, 400, {"Content-Type": "application/json"}),
    )
    with pytest.raises(SatZooError, match=r"\*\*\*, \*\*\*") as caught:
        publish(Package("net", REPO, (weights, page)), endpoint=hub.url)
    assert "hf_" not in str(caught.value)


def test_no_pin_for_a_file_that_the_server_has_otherwise(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.hubserver.repos.File.sha256", property(lambda self: "e" * 64))
    with pytest.raises(WeightsMismatch, match=r"sha256 eeeeeeeeeeee, ours has .* no pin was"):
        publish(package(), endpoint=hub.url)


def test_without_a_token_nobody_is_asked(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(SatZooError, match="no Hugging Face token: log in with hf auth login"):
        publish(package(), endpoint=hub.url)
    assert hub.requests == []


def test_without_a_network_it_says_so() -> None:
    with pytest.raises(SatZooError, match=r"cannot be reached, or breaks off .*HF_ENDPOINT"):
        publish(package(), endpoint="http://127.0.0.1:9")
