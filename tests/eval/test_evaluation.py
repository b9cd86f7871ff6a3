from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from eval import Report, evaluate
from eval.data import ImageSet
from eval.errors import DataError, ModelError, ReportError, UsageError
from eval.run import Progress

QUICK = {"attack": "pgd-5", "eps": "1/20"}


def test_verdicts_do_not_depend_on_the_batch_size(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    whole = evaluate(tiny_net, tiny_data, **QUICK, batch_size=60)
    pieces = evaluate(tiny_net, tiny_data, **QUICK, batch_size=7)
    assert whole.images.verdicts == pieces.images.verdicts
    assert set(whole.images.verdicts) == {"clean", "pgd-5", "robust"}


def test_verdicts_do_not_depend_on_the_order(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1)).tolist()
    straight = evaluate(tiny_net, tiny_data, **QUICK)
    mixed = evaluate(tiny_net, tiny_data.select(order), **QUICK, batch_size=11)
    verdict = dict(zip(mixed.images.ids, mixed.images.verdicts, strict=True))
    assert tuple(verdict[i] for i in straight.images.ids) == straight.images.verdicts


def test_another_seed_draws_other_random_starts(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    options = {"attack": "pgd-1", "eps": "1/20"}
    outcomes = {evaluate(tiny_net, tiny_data, seed=s, **options).images.verdicts for s in range(4)}
    assert len(outcomes) > 1


def test_n_takes_the_first_images(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    part = evaluate(tiny_net, tiny_data, **QUICK, n=10)
    whole = evaluate(tiny_net, tiny_data, **QUICK)
    assert part.images.ids == whole.images.ids[:10]
    assert part.images.verdicts == whole.images.verdicts[:10]


def test_wrong_images_are_not_attacked_and_passes_are_counted(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(tiny_net, tiny_data, **QUICK, last_iterate=True)
    (stage,) = report.stages
    assert report.clean.correct == stage.attacked == 45
    # The last iterate is classified too. The proof at the stage's end: two images six times through
    # the copy's and the model's forward, three times through their backward.
    assert stage.forwards == 6 * 45 + 12
    assert stage.backwards == 5 * 45 + 6
    plain = evaluate(tiny_net, tiny_data, **QUICK, last_iterate=True, engine="reference").stages[0]
    assert (plain.forwards, plain.backwards) == (6 * 45, 5 * 45)


def test_the_clean_protocol_has_no_stage_and_no_robust_number(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = evaluate(tiny_net, tiny_data, attack="clean")
    assert report.robust is None
    assert report.stages == ()


def test_autoattack_by_the_reference_is_not_weaker_than_pgd(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    few = tiny_data.take(12)
    pgd = evaluate(tiny_net, few, attack="pgd-20", eps="1/30")
    standard = evaluate(tiny_net, few, attack="autoattack", eps="1/30", engine="reference")
    assert standard.robust.correct <= pgd.robust.correct
    assert [s.name for s in standard.stages] == ["apgd-ce", "apgd-t", "fab-t", "square"]
    assert standard.stages[0].forwards > 100 * standard.stages[0].attacked
    assert all(stage.rejected == 0 for stage in standard.stages)


def test_the_global_random_state_is_left_alone(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    before = torch.get_rng_state()
    evaluate(tiny_net, tiny_data, n=4, attack="autoattack-rand", engine="reference", eps="1/30")
    assert torch.equal(torch.get_rng_state(), before)


def test_progress_ends_with_every_image_settled(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    seen: list[Progress] = []
    report = evaluate(tiny_net, tiny_data, **QUICK, on_progress=seen.append)
    assert seen[-1] == Progress("pgd-5", 45, 45, report.robust.correct, 60)
    assert [p.done for p in seen if p.stage == "pgd-5"] == list(range(46))


def test_out_is_the_report_and_reads_back_equal(
    tiny_net: nn.Module, tiny_data: ImageSet, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    report = evaluate(tiny_net, tiny_data, **QUICK, out=path)
    assert Report.read(path) == report
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_an_unwritable_report_is_found_out_before_the_attack(tiny_data: ImageSet) -> None:
    class NotCalled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise AssertionError("the attack began")

    with pytest.raises(ReportError, match="the folder no/where does not exist: create it"):
        evaluate(NotCalled().eval(), tiny_data, out=Path("no/where/report.json"))


class Answers(nn.Module):
    """A model that answers with a function of the images."""

    def __init__(self, answer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer
        self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            lambda x: torch.full((len(x), 5), torch.nan),
            "returned NaN or infinite logits for 4 of 4",
        ),
        (lambda x: torch.zeros(len(x)), r"returned shape \(4,\) for 4 images: it must return"),
        (lambda x: torch.zeros(1, 5), r"returned shape \(1, 5\) for 4 images"),
        (
            lambda x: x.flatten(1)[:, :5].softmax(1),
            "returns probabilities, not logits: .* remove the softmax, or pass `allow_prob",
        ),
    ],
)
def test_a_model_that_is_no_classifier_is_refused(
    tiny_data: ImageSet, answer: Callable[[Tensor], Tensor], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        evaluate(Answers(answer).eval(), tiny_data, **QUICK, batch_size=128)


def test_probabilities_are_flagged_when_allowed(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    softmax = nn.Sequential(tiny_net, nn.Softmax(1)).eval()
    report = evaluate(softmax, tiny_data, **QUICK, allow_probabilities=True)
    assert "probabilities" in [flag.code for flag in report.flags]


def test_a_randomised_forward_is_flagged(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    noisy = Answers(lambda x: tiny_net(x) + 0.01 * torch.randn(len(x), 5)).eval()
    report = evaluate(noisy, tiny_data, **QUICK)
    # The fast copy of it cannot be proven, so the model itself is used.
    assert [flag.code for flag in report.flags] == ["engine-fallback", "randomised-forward"]


def test_a_model_that_changes_while_evaluated_is_flagged(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Adapts(Answers):
        def forward(self, x: Tensor) -> Tensor:
            self.anchor.data += 1
            return self.answer(x)

    report = evaluate(Adapts(tiny_net).eval(), tiny_data, **QUICK)
    assert [flag.code for flag in report.flags] == ["model-changed"]


def test_train_mode_is_refused(tiny_data: ImageSet) -> None:
    with pytest.raises(ModelError, match=r"is in train mode \(module 'itself'\): call model.eval"):
        evaluate(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), tiny_data)
    partly = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(192, 5)).eval()
    partly[1].train()
    with pytest.raises(ModelError, match="module '1'"):
        evaluate(partly, tiny_data)


def test_labels_outside_the_models_classes_are_refused(tiny_net: nn.Module) -> None:
    x = torch.rand(3, 3, 8, 8)
    with pytest.raises(DataError, match="image '1' has label 7, but the model has 5 classes, 0 to"):
        evaluate(tiny_net, (x, torch.tensor([0, 7, 1])))


def test_images_outside_the_pixel_range_are_refused(tiny_net: nn.Module) -> None:
    x = torch.rand(3, 3, 8, 8) * 255
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        evaluate(tiny_net, (x, torch.tensor([0, 1, 1])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch size 0 is not positive: use for example 128"),
        ({"n": 0}, "n = 0 is not possible: .* choose 1 to 60"),
        ({"n": 61}, "n = 61 is not possible"),
        ({"device": "gpu"}, r"device` 'gpu' cannot be used here .* use `device='cpu'`"),
        ({"attack": "bim"}, "unknown attack 'bim'"),
        ({"norm": "L7"}, "unknown norm 'L7'"),
    ],
)
def test_options_that_cannot_be_are_refused(
    tiny_net: nn.Module, tiny_data: ImageSet, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(tiny_net, tiny_data, **options)  # type: ignore[arg-type]
