import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from eval import Report, Threat, evaluate
from eval.adversarial import SCHEMA, AdversarialImages, recheck
from eval.data import ImageSet, from_tensors
from eval.errors import DataError, JournalError, ReportError, WeightsMismatch
from eval.run import Progress

PGD = {"attack": "pgd-5", "eps": "1/20", "name": "tiny"}


@pytest.fixture
def report(tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path) -> Report:
    return evaluate(tiny_net, tiny_data, save_adversarial=tmp_path / "a.safetensors", **PGD)


@pytest.fixture
def found(report: Report, tmp_path: Path) -> AdversarialImages:
    return AdversarialImages.read(tmp_path / "a.safetensors")


def changed(found: AdversarialImages, row: int, x_adv: Tensor) -> AdversarialImages:
    images = found.x_adv.clone()
    images[row] = x_adv
    return replace(found, x_adv=images)


def test_every_broken_image_is_in_the_file_and_holds(
    found: AdversarialImages, report: Report, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    verdicts = dict(zip(report.images.ids, report.images.verdicts, strict=True))
    assert found.origin.ids == tuple(i for i, verdict in verdicts.items() if verdict == "pgd-5")
    assert (found.origin.model, found.origin.norm, found.origin.eps) == ("tiny", "Linf", "1/20")
    assert found.origin.weights_sha256 == report.model.weights_sha256
    assert found.x_adv.shape == (report.stages[0].broken, 3, 8, 8)
    clean = tiny_data.select_ids(found.origin.ids).batch(range(len(found.origin.ids))).x
    assert bool(Threat("Linf", "1/20").contains(found.x_adv, clean).all())
    done = recheck(found, tiny_net, tiny_data, batch_size=7)
    assert (done.n, done.failed) == (report.survive_8bit.n, {})
    assert done.n_broken_8bit == report.survive_8bit.broken_after_rounding


def test_images_that_do_not_hold_are_named_with_the_reason(
    found: AdversarialImages, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    ids = found.origin.ids
    clean = tiny_data.select_ids(ids).batch([2]).x[0]
    for image, reason in (
        (clean, "the model is not fooled"),
        (found.x_adv[2] + 0.2, "it is outside the Linf ball of 1/20 or of [0, 1]"),
        (torch.full_like(clean, torch.nan), "it is outside the Linf ball of 1/20 or of [0, 1]"),
    ):
        done = recheck(changed(found, 2, image), tiny_net, tiny_data)
        assert done.failed == {ids[2]: reason}


def test_another_model_or_other_data_is_refused(
    found: AdversarialImages, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).eval()
    with pytest.raises(WeightsMismatch, match=r"tiny: these weights have the digest .* with `wei"):
        recheck(found, other, tiny_data)
    batch = tiny_data.batch(range(60))
    for x, y, message in (
        (1 - batch.x, batch.y, "the clean images have the digest"),
        (batch.x, (batch.y + 1) % 5, "the labels are not those"),
        (torch.rand(60, 3, 9, 9), batch.y, "the clean images have the digest"),
    ):
        with pytest.raises(DataError, match=message):
            recheck(found, tiny_net, from_tensors(x, y))
    with pytest.raises(DataError, match=r"are of custom \(all\), not of other \(all\): use the"):
        recheck(found, tiny_net, from_tensors(batch.x, batch.y, name="other"))


def test_images_of_another_shape_are_refused(
    found: AdversarialImages, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    small = replace(found, x_adv=found.x_adv[:, :, :4])
    with pytest.raises(DataError, match=r"shape \(3, 4, 8\), those of custom \(3, 8, 8\)"):
        recheck(small, tiny_net, tiny_data)


def test_no_broken_image_is_an_empty_file(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    evaluate(tiny_net, tiny_data, attack="fgsm", eps="1/1000000", save_adversarial=path)
    found = AdversarialImages.read(path)
    assert found.x_adv.shape == (0, 3, 8, 8)
    assert recheck(found, tiny_net, tiny_data).n == 0


def test_after_a_resume_the_images_are_the_same(
    found: AdversarialImages, tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    options = {**PGD, "journal": tmp_path / "j", "save_adversarial": tmp_path / "b.safetensors"}

    def interrupt(now: Progress) -> None:
        if now.stage == "pgd-5" and now.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(tiny_net, tiny_data, on_progress=interrupt, batch_size=9, **options)
    evaluate(tiny_net, tiny_data, **options)
    resumed = AdversarialImages.read(tmp_path / "b.safetensors")
    assert resumed.origin == found.origin
    torch.testing.assert_close(resumed.x_adv, found.x_adv, atol=1e-6, rtol=0)


def test_a_journal_without_images_is_refused_when_they_are_to_be_saved(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    evaluate(tiny_net, tiny_data, journal=tmp_path / "j", **PGD)
    options = {**PGD, "journal": tmp_path / "j", "save_adversarial": tmp_path / "a"}
    with pytest.raises(JournalError, match="only: start over with `fresh=True` to save the"):
        evaluate(tiny_net, tiny_data, **options)
    evaluate(tiny_net, tiny_data, fresh=True, **options)


def test_an_unwritable_file_is_found_out_before_the_attack(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(ReportError, match="`save_adversarial` no/a: the folder no does not exist"):
        evaluate(tiny_net, tiny_data, save_adversarial=Path("no/a"), **PGD)


def test_a_damaged_or_foreign_file_is_refused(found: AdversarialImages, tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    whole = (tmp_path / "a.safetensors").read_bytes()
    for content in (b"", whole[:-10], whole[:100], b"{}"):
        path.write_bytes(content)
        with pytest.raises(ReportError, match=r"b.safetensors cannot be read \(.*: give a file"):
            AdversarialImages.read(path)
    save_file({"x_adv": found.x_adv}, path)
    with pytest.raises(ReportError, match="give a file that `save_adversarial` wrote"):
        AdversarialImages.read(path)
    save_file({"x_adv": found.x_adv}, path, {SCHEMA: json.dumps({"model": "tiny"})})
    with pytest.raises(ReportError, match="give a file that `save_adversarial` wrote"):
        AdversarialImages.read(path)
    replace(found, x_adv=found.x_adv[1:]).write(path)
    with pytest.raises(ReportError, match="does not hold one float32 image of shape"):
        AdversarialImages.read(path)
