"""Adversarial images are bound to their Report: what one says and the other does not is refused."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from eval import Report, evaluate
from eval.adversarial import REPORT, SCHEMA, UNBOUND, AdversarialImages, Origin, recheck
from eval.data import ImageSet
from eval.errors import ReportError
from eval.report.digest import what_images_follow_from

Content = dict[str, Any]


@pytest.fixture(scope="module")
def whole(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "a.safetensors"
    evaluate(tiny_net, tiny_data, attack="pgd-5", eps="1/20", name="tiny", save_adversarial=path)
    return path


def parts_of(path: Path) -> tuple[Tensor, Content, Content]:
    with safe_open(path, framework="pt") as file:
        said = file.metadata()
        return file.get_tensor("x_adv"), json.loads(said[SCHEMA]), json.loads(said[REPORT])


def written(path: Path, x_adv: Tensor, origin: Content, report: Content) -> Path:
    save_file({"x_adv": x_adv}, path, {SCHEMA: json.dumps(origin), REPORT: json.dumps(report)})
    return path


def test_the_file_holds_the_report_and_all_that_it_calls_broken(
    whole: Path, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    found = AdversarialImages.read(whole)
    assert found.n_broken == len(found.origin.ids) == found.report.survive_8bit.n > 3
    assert found.origin.report_sha256 == what_images_follow_from(found.report)
    done = recheck(found, tiny_net, tiny_data)
    assert (done.n, done.n_missing, done.failed) == (found.n_broken, 0, {})


def test_the_digest_is_of_what_the_images_follow_from(whole: Path) -> None:
    report = AdversarialImages.read(whole).report
    digest = what_images_follow_from(report)
    later = {"created": "2030-01-01T00:00:00Z", "command": "again", "seconds": 9.0, "flags": ()}
    assert what_images_follow_from(report.model_copy(update=later)) == digest
    for part, name, value in (
        ("threat", "eps_text", "1/10"),
        ("data", "pixels_sha256", "0" * 64),
        ("model", "weights_sha256", "0" * 64),
        ("protocol", "name", "pgd-50"),
        ("engine", "precision", "bf16"),
        ("images", "labels", ()),
        ("survive_8bit", "broken_after_rounding", 0),
    ):
        changed = getattr(report, part).model_copy(update={name: value})
        assert what_images_follow_from(report.model_copy(update={part: changed})) != digest
    assert what_images_follow_from(report.model_copy(update={"seed": 1})) != digest


def of_origin(**changes: object) -> Callable[[Content, Content], None]:
    return lambda origin, report: origin.update(changes)


def of_report(*path: str | int, value: object) -> Callable[[Content, Content], None]:
    def change(origin: Content, report: Content) -> None:
        node: Any = report
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = value

    return change


def larger_ball(origin: Content, report: Content) -> None:
    """In both, so that only the digest tells."""
    origin["eps"] = "1/10"
    report["threat"] |= {"eps": 0.1, "eps_text": "1/10"}


def another_seed(origin: Content, report: Content) -> None:
    origin["seed"] = report["seed"] = 7


def more_steps(origin: Content, report: Content) -> None:
    report["protocol"]["stages"][0]["steps"] = 50


def another_model(origin: Content, report: Content) -> None:
    origin["weights_sha256"] = report["model"]["weights_sha256"] = "0123" * 16


def of_a_robust_image(origin: Content, report: Content) -> None:
    verdicts = report["images"]["verdicts"]
    origin["ids"][0] = report["images"]["ids"][verdicts.index("robust")]


def twice(origin: Content, report: Content) -> None:
    origin["ids"][1] = origin["ids"][0]


@pytest.mark.parametrize(
    ("falsify", "message"),
    [
        (of_origin(eps="1/10"), "one of the two was changed: eps is '1/10', but the report says"),
        (of_origin(norm="L2"), "norm is 'L2'"),
        (of_origin(protocol="pgd-50"), "protocol is 'pgd-50'"),
        (of_origin(seed=1), "seed is 1, but the report says 0"),
        (of_origin(model="other"), "model is 'other'"),
        (of_origin(data="cifar10"), "data is 'cifar10'"),
        (of_origin(report_sha256="0" * 64), "report_sha256 is '000"),
        (lambda origin, _: origin["stages"].__setitem__(0, "square"), "stages is ('square'"),
        (lambda origin, _: origin["labels"].__setitem__(0, 9), "labels is (9"),
        (larger_ball, "report_sha256 is"),
        (another_seed, "report_sha256 is"),
        (more_steps, "passes or more"),
        (another_model, "report_sha256 is"),
        (of_report("engine", "precision", value="bf16"), "report_sha256 is"),
        (of_report("survive_8bit", "broken_after_rounding", value=0), "report_sha256 is"),
        (of_report("images", "verdicts", 1, value="clean"), "the images say"),
        (of_report("threat", "eps", value=0.1), "threat.eps is 0.1"),
        (of_a_robust_image, "does not call the image"),
        (of_origin(ids=["nobody"]), "does not hold one float32 image"),
        (twice, "it holds an image twice"),
        (of_origin(surprise=1), "surprise"),
        (of_report("seed", value=10**30), "seed"),
    ],
)
def test_a_changed_claim_is_refused(
    whole: Path, tmp_path: Path, falsify: Callable[[Content, Content], None], message: str
) -> None:
    x_adv, origin, report = parts_of(whole)
    falsify(origin, report)
    path = written(tmp_path / "b.safetensors", x_adv, origin, report)
    with pytest.raises(ReportError) as caught:
        AdversarialImages.read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()


def fewer(path: Path, n: int) -> AdversarialImages:
    found = AdversarialImages.read(path)
    origin = Origin.of(found.report, found.origin.ids[:n], "")
    return replace(found, x_adv=found.x_adv[:n].clone(), origin=origin)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_how_many_of_the_broken_images_are_missing_is_known(
    whole: Path, tiny_net: nn.Module, tiny_data: ImageSet, n: int
) -> None:
    found = fewer(whole, n)
    if n:
        pixels = tiny_data.select_ids(found.origin.ids).pixels_sha256()
        origin = found.origin.model_copy(update={"pixels_sha256": pixels})
        found = replace(found, origin=origin)
    done = recheck(found, tiny_net, tiny_data)
    assert (done.n, done.n_missing, done.failed) == (n, found.n_broken - n, {})


def test_a_file_of_the_first_kind_is_refused_with_what_to_do(whole: Path, tmp_path: Path) -> None:
    x_adv, origin, _ = parts_of(whole)
    path = tmp_path / "old.safetensors"
    save_file({"x_adv": x_adv}, path, {UNBOUND: json.dumps(origin)})
    with pytest.raises(ReportError, match=r"held their report.*write it again"):
        AdversarialImages.read(path)


def test_what_is_no_such_file_is_one_sentence(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x_adv, origin, report = parts_of(whole)
    said = {SCHEMA: json.dumps(origin), REPORT: json.dumps(report)}
    path = tmp_path / "b.safetensors"
    for tensors, metadata in (
        ({"x_adv": x_adv, "more": x_adv.clone()}, said),
        ({"other": x_adv}, said),
        ({"x_adv": x_adv.half()}, said),
        ({"x_adv": x_adv[0]}, said),
        ({"x_adv": x_adv}, {SCHEMA: said[SCHEMA]}),
        ({"x_adv": x_adv}, {REPORT: said[REPORT]}),
        ({"x_adv": x_adv}, said | {REPORT: "[" * 5000}),
        ({"x_adv": x_adv}, said | {SCHEMA: '{"seed": NaN}'}),
        ({"x_adv": x_adv}, said | {SCHEMA: "null"}),
    ):
        save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata)
        with pytest.raises(ReportError, match=r"b\.safetensors"):
            AdversarialImages.read(path)
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", ".", "missing"):
        with pytest.raises(ReportError, match="cannot be read"):
            AdversarialImages.read(tmp_path / name)
    monkeypatch.setenv("SAT_ZOO_LIMITS", "record_bytes=1000")
    with pytest.raises(ReportError, match="bytes of metadata, more than the 1,000 allowed"):
        AdversarialImages.read(whole)


def test_images_of_a_run_that_broke_none_say_so(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    report = evaluate(tiny_net, tiny_data, attack="fgsm", eps="1/1000000", save_adversarial=path)
    found = AdversarialImages.read(path)
    assert (len(found.x_adv), found.n_broken) == (0, 0)
    assert found.report == report
    assert isinstance(found.report, Report)
    assert torch.equal(found.x_adv, torch.zeros(0, 3, 8, 8))
