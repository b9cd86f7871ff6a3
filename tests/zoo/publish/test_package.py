import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import ModelCard as HubCard
from huggingface_hub import constants

import zoo
from eval.errors import ReportError, UsageError, WeightsMismatch, WeightsUnavailable
from zoo.hub.pins import Pin, write_pin
from zoo.publish.package import prepare, repo_of
from zoo.publish.reports import results_in, results_of
from zoo.registry import FAMILIES
from zoo.weights.store import Store

DIGITS = "resnet8-silu-sat-digits"
UNBUNDLED = "resnet18-gelu-sat-cifar10"
BUNDLED = FAMILIES / "digits" / f"{DIGITS}.safetensors"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


def test_the_users_own_reports_are_read_beside_the_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packaged = results_in()
    monkeypatch.setenv("SAT_ZOO_HOME", str(tmp_path))
    own = tmp_path / "results"
    own.mkdir()
    (own / packaged[0].file).write_bytes(packaged[0].content)
    assert results_in() == packaged, "a copy is no second one"
    (own / "mine.json").write_bytes(packaged[0].content)
    assert [one.file for one in results_in()] == [*(one.file for one in packaged), "mine.json"]
    (own / packaged[0].file).write_bytes(packaged[1].content)
    with pytest.raises(UsageError, match="has the name of a Report of the package"):
        results_in()


def test_the_weights_are_the_bytes_that_were_found() -> None:
    package = prepare(DIGITS, "org")
    assert package.weights.content == BUNDLED.read_bytes()
    assert package.weights.sha256 == hashlib.sha256(BUNDLED.read_bytes()).hexdigest()
    assert package.weights.size == BUNDLED.stat().st_size
    assert [file.path for file in package.files] == [
        "model.safetensors",
        "golden.safetensors",
        "config.json",
        "README.md",
        "card.json",
        "recipe.yaml",
        "metrics.jsonl",
    ]
    assert package.text("recipe.yaml") == (FAMILIES / "digits" / "recipe.yaml").read_text("utf-8")
    assert json.loads(package.text("card.json")) == zoo.card(DIGITS).model_dump(mode="json")


def test_the_reports_of_these_weights_are_part_of_it() -> None:
    results = results_in()
    package = prepare(DIGITS, "org", results=results)
    mine = {f"reports/{r.file}": r.content for r in results if r.report.model.name == DIGITS}
    assert len(mine) >= 4
    assert {f.path: f.content for f in package.files if f.path.startswith("reports/")} == mine


def test_reports_and_log_of_other_weights_stay_away(random_weights: Callable[[str], Path]) -> None:
    package = prepare(DIGITS, "org", weights=random_weights(DIGITS), results=results_in())
    assert not [file.path for file in package.files if file.path.startswith("reports/")]
    assert "metrics.jsonl" not in [file.path for file in package.files]
    assert "No Report of these weights" in package.text("README.md")
    assert results_of(results_in(), "resnet8-relu-at-digits", "0" * 64) == ()


def test_only_bundled_weights_are_said_to_be_ours(random_weights: Callable[[str], Path]) -> None:
    ours = prepare(DIGITS, "org").text("README.md")
    copied = prepare(DIGITS, "org", weights=BUNDLED).text("README.md")
    strange = prepare(DIGITS, "org", weights=random_weights(DIGITS)).text("README.md")
    stated = prepare(DIGITS, "org", weights=random_weights(DIGITS), license_id="cc-by-4.0")
    licenses = [HubCard(t).data.license for t in (ours, copied, strange, stated.text("README.md"))]
    assert licenses == ["mit", "mit", "unknown", "cc-by-4.0"]
    assert "not on record" in strange


def test_imported_weights_say_what_they_were_made_from() -> None:
    state = zoo.load(UNBUNDLED, pretrained=False).net.state_dict()
    made = {"source": "official TensorFlow checkpoint", "prefix": "Res_18"}
    Store().put(UNBUNDLED, state, made)
    content = prepare(UNBUNDLED, "org").text("README.md")
    assert r"converted by sat-zoo from: official TensorFlow checkpoint Res\_18." in content
    assert HubCard(content).data.license == "unknown"


def test_weights_that_were_published_elsewhere_are_not_fetched_for_it() -> None:
    pin = Pin(repo="other/net", revision="a" * 40, sha256="b" * 64, size=5)
    write_pin(UNBUNDLED, pin)
    with pytest.raises(WeightsUnavailable, match=f"at other/net.*sat-zoo pull {UNBUNDLED}"):
        prepare(UNBUNDLED, "org")


def test_a_changed_store_is_not_published() -> None:
    path = Store().put(UNBUNDLED, zoo.load(UNBUNDLED, pretrained=False).net.state_dict(), {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        WeightsMismatch, match=r"promised: .*; import it again .*; nothing was published"
    ):
        prepare(UNBUNDLED, "org")


def test_weights_of_another_model_are_not_published() -> None:
    with pytest.raises(WeightsMismatch, match="does not fit"):
        prepare(UNBUNDLED, "org", weights=BUNDLED)


@pytest.mark.parametrize("namespace", ["", "a/b", "../x", "a--b", "-a", "a b", "é", "x" * 90])
def test_a_namespace_that_cannot_be_is_refused(namespace: str) -> None:
    with pytest.raises(UsageError, match=r"--namespace .* cannot be one"):
        repo_of(namespace, DIGITS)


def test_a_license_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="--license 'MIT: yes' is no identifier"):
        prepare(DIGITS, "org", license_id="MIT: yes")


def test_a_broken_report_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ReportError, match=r"broken.json is not a valid"):
        results_in(tmp_path)
    with pytest.raises(UsageError, match=r"--results .* is not a folder"):
        results_in(tmp_path / "no")
