"""Evidence is shown to the model again: with the data everything is confirmed, without it less."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from eval.data import ImageSet, from_tensors
from eval.errors import DataError, ReportError, UsageError, WeightsMismatch
from eval.evidence.file import Evidence, read_evidence
from eval.evidence.replay import replay
from tests.eval.evidence.files import resealed

EPS = 8 / 255
Change = Callable[[np.ndarray, np.ndarray], None]


@pytest.fixture
def evidence(whole: Path) -> Evidence:
    return read_evidence(whole)


def test_with_the_data_every_total_of_the_report_is_confirmed(
    evidence: Evidence, tiny_net: nn.Module, data: ImageSet
) -> None:
    report = evidence.images.report
    done = replay(evidence, tiny_net, data, batch_size=7)
    assert report.robust is not None
    assert done.n_robust == report.robust.correct
    assert done.bound == report.robust.accuracy
    assert done.unconfirmed == ()
    assert done.n_forwards == 24 + 2 * done.n_broken


def test_without_the_data_the_bound_is_weaker_and_it_says_what_it_rests_on(
    evidence: Evidence, tiny_net: nn.Module
) -> None:
    report = evidence.images.report
    done = replay(evidence, tiny_net, None, batch_size=7)
    assert done.n_robust == 24 - done.n_broken
    assert report.robust is not None
    assert done.n_robust == report.robust.correct + 2  # wrong without an attack: not seen here
    assert len(done.unconfirmed) == 2
    assert "whether the clean images that came with them are those of the" in done.unconfirmed[0]
    assert "the 2 images that are wrong without an attack" in done.unconfirmed[1]


def test_without_data_and_without_clean_images_the_ball_is_not_confirmed(
    plain_file: Path, tiny_net: nn.Module
) -> None:
    done = replay(read_evidence(plain_file), tiny_net, None)
    assert "whether the images lie in the ball" in done.unconfirmed[0]


def by(pixel: Callable[[float], float], which: int = 0) -> Change:
    """Replace the pixel of the first image that a function makes of the clean one."""

    def change(x_adv: np.ndarray, x: np.ndarray) -> None:
        flat, clean = x_adv[which].ravel(), x[which].ravel()
        at = int(np.argmin(np.abs(clean - 0.5)))
        flat[at] = np.float32(pixel(float(clean[at])))

    return change


def just_outside(clean: float) -> float:
    """The first float32 number beyond the tolerance."""
    found = np.float32(clean + EPS + 1e-6)
    while float(found) - clean <= EPS + 1e-6:
        found = np.nextafter(found, np.float32(2))
    return float(found)


def just_inside(clean: float) -> float:
    return float(np.nextafter(np.float32(just_outside(clean)), np.float32(0)))


OUTSIDE = "it is outside the Linf ball of 8/255 or [0, 1]"


@pytest.mark.parametrize("with_data", [True, False], ids=["data", "no data"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (by(just_outside), OUTSIDE),
        (by(lambda clean: clean - EPS - 2e-6, which=2), OUTSIDE),
        (by(lambda _: float("nan")), OUTSIDE),
        (by(lambda _: float("inf")), OUTSIDE),
        (by(lambda _: -1e-5), OUTSIDE),
        (by(lambda _: 1.1), OUTSIDE),
        (lambda x_adv, x: x_adv.__setitem__(1, x[1]), "the model is not fooled"),
    ],
)
def test_an_image_that_does_not_hold_is_named(
    whole: Path,
    tmp_path: Path,
    tiny_net: nn.Module,
    data: ImageSet,
    change: Change,
    message: str,
    with_data: bool,
) -> None:
    found = read_evidence(resealed(tmp_path / "b.safetensors", whole, change=change))
    with pytest.raises(ReportError) as caught:
        replay(found, tiny_net, data if with_data else None)
    assert message in str(caught.value)
    assert f"1 of {len(found.images.x_adv)} images are not adversarial, the first" in str(
        caught.value
    )


def test_an_image_at_the_very_end_of_the_tolerance_holds(
    whole: Path, tmp_path: Path, tiny_net: nn.Module, data: ImageSet
) -> None:
    found = read_evidence(resealed(tmp_path / "b.safetensors", whole, change=by(just_inside)))
    assert replay(found, tiny_net, data).n_broken == len(found.images.x_adv)


def test_clean_images_that_were_moved_with_the_others_are_found_out_by_the_data(
    whole: Path, tmp_path: Path, tiny_net: nn.Module, data: ImageSet
) -> None:
    def move(x_adv: np.ndarray, x: np.ndarray) -> None:
        x[0] = np.clip(x[0] + np.float32(1 / 255), 0, 1)

    found = read_evidence(resealed(tmp_path / "b.safetensors", whole, change=move))
    with pytest.raises(DataError, match="are not those that came with the adversarial ones"):
        replay(found, tiny_net, data)


def test_other_weights_are_refused(evidence: Evidence, data: ImageSet) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(192, 5)).eval()
    for chosen in (data, None):
        with pytest.raises(WeightsMismatch, match="these weights have the digest"):
            replay(evidence, other, chosen)


def test_other_images_are_refused(evidence: Evidence, tiny_net: nn.Module, data: ImageSet) -> None:
    x, y = data.tensors()
    robust = evidence.images.report.images.verdicts.index("robust")
    moved, wrong = x.clone(), y.clone()
    moved[robust] = (moved[robust] * 255 - 1).clamp(0) / 255
    wrong[0] = (wrong[0] + 1) % 5
    for other, message in (
        (from_tensors(moved, y), "the images have the digest|about the clean image"),
        (from_tensors(x, wrong), "the labels are not those of the report's ids"),
        (from_tensors(x, y, name="other"), "the report is of custom"),
        (from_tensors(1 - x, y), "about the clean image|came with"),
    ):
        with pytest.raises((DataError, ReportError), match=message):
            replay(evidence, tiny_net, other)
    with pytest.raises(UsageError):
        replay(evidence, tiny_net, data.take(10))


def test_a_clean_image_that_is_right_though_it_is_called_wrong_is_named(
    evidence: Evidence, tiny_net: nn.Module, data: ImageSet
) -> None:
    """The Report says which images are wrong without an attack; whoever has them can see."""
    report = evidence.images.report
    verdicts = list(report.images.verdicts)
    wrong, robust = verdicts.index("clean"), verdicts.index("robust")
    verdicts[wrong], verdicts[robust] = "robust", "clean"
    images = report.images.model_copy(update={"verdicts": tuple(verdicts)})
    other = report.model_copy(update={"images": images})
    falsified = Evidence(
        type(evidence.images)(
            evidence.images.x_adv,
            type(evidence.images.origin).of(
                other, evidence.images.origin.ids, evidence.images.origin.pixels_sha256
            ),
            other,
        ),
        evidence.x,
    )
    with pytest.raises(ReportError, match=r"the model is .* about the clean image"):
        replay(falsified, tiny_net, data)


def test_no_broken_image_is_a_file_that_confirms_the_clean_accuracy(
    tiny_net: nn.Module, data: ImageSet, tmp_path: Path
) -> None:
    from eval import evaluate
    from eval.adversarial import AdversarialImages

    path = tmp_path / "a.safetensors"
    evaluate(tiny_net, data, attack="fgsm", eps="1/1000000", save_adversarial=path)
    Evidence.of(AdversarialImages.read(path), data).write(path)
    done = replay(read_evidence(path), tiny_net, data)
    assert (done.n_broken, done.n_robust) == (0, 22)


def test_the_model_is_left_as_it_was(
    evidence: Evidence, tiny_net: nn.Module, data: ImageSet
) -> None:
    before = {key: tensor.clone() for key, tensor in tiny_net.state_dict().items()}
    replay(evidence, tiny_net, data)
    assert all(torch.equal(before[key], value) for key, value in tiny_net.state_dict().items())
