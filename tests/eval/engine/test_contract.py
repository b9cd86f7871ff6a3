"""What a model must keep is found out before the first attack, each in one sentence."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eval import evaluate, protocols
from eval.data import ImageSet
from eval.engine.classifier import Classifier
from eval.engine.contract import fitted
from eval.errors import ModelError
from eval.report.report import Report

Pair = namedtuple("Pair", ["logits", "features"])
Made = namedtuple("Made", ["scores", "features"])


class Around(nn.Module):
    """`net` with something done to its images or to its logits."""

    def __init__(
        self,
        net: nn.Module,
        after: Callable[[Tensor], Any] = lambda z: z,
        before: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:
        super().__init__()
        self.net, self.after, self.before = net, after, before

    def forward(self, x: Tensor) -> Any:
        return self.after(self.net(self.before(x)))


def measured(model: nn.Module, data: ImageSet, **options: Any) -> Report:
    return evaluate(model.eval(), data, **{"attack": "pgd-5", "eps": "1/20", **options})


def codes(report: Report) -> list[str]:
    return [flag.code for flag in report.flags]


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "a dictionary": lambda z: {"logits": z, "loss": None},
    "an ordered dictionary": lambda z: OrderedDict(features=z.sum(), logits=z),
    "a named tuple": lambda z: Pair(z, z.sum()),
    "a tuple of one": lambda z: (z,),
    "a list of one": lambda z: [z],
}


@pytest.mark.parametrize("after", OUTPUTS.values(), ids=OUTPUTS)
def test_logits_are_taken_from_where_it_is_clear_that_they_are(
    after: Callable[[Tensor], Any], tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    report = measured(Around(tiny_net, after), tiny_data)
    assert report.images.verdicts == measured(tiny_net, tiny_data).images.verdicts
    assert codes(report) == []


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (lambda z: (z, z), "a tuple of 2"),
        (lambda z: [], "a list of 0"),
        (lambda z: {"out": z}, "a dict with 'out'"),
        (lambda z: {"logits": None}, "a dict with 'logits'"),
        (lambda z: Made(z, z), "a Made of 2"),
        (lambda z: None, "a NoneType"),
        (lambda z: z.detach().numpy(), "a ndarray"),
    ],
)
def test_an_output_that_nobody_can_be_sure_of_is_refused(
    after: Callable[[Tensor], Any], kind: str, tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(ModelError, match=f"returned {kind}: its forward must return logits"):
        measured(Around(tiny_net, after), tiny_data)


def without_gradient(z: Tensor) -> Tensor:
    return torch.from_numpy(z.detach().numpy().copy())


class Inside(nn.Module):
    """Computes under a context of its own."""

    def __init__(self, net: nn.Module, context: Callable[[], Any]) -> None:
        super().__init__()
        self.net, self.context = net, context

    def forward(self, x: Tensor) -> Tensor:
        with self.context():
            z: Tensor = self.net(x)
            return z


CUT: dict[str, Callable[[nn.Module], nn.Module]] = {
    "no_grad": lambda net: Inside(net, torch.no_grad),
    "inference_mode": lambda net: Inside(net, torch.inference_mode),
    "detach": lambda net: Around(net, lambda z: z.detach()),
    "detached images": lambda net: Around(net, before=lambda x: x.detach()),
    "data": lambda net: Around(net, before=lambda x: x.data),
    "numpy": lambda net: Around(net, without_gradient),
    "trained head on detached features": lambda net: nn.Sequential(
        Around(net, lambda z: z.detach()), nn.Linear(5, 5)
    ),
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_a_model_whose_images_no_gradient_reaches_is_refused(
    cut: Callable[[nn.Module], nn.Module], tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(ModelError, match=r"no gradient reaches the images of model 'cut'.*no_grad"):
        measured(cut(tiny_net), tiny_data, name="cut")


def test_without_an_attack_no_gradient_is_needed(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    report = measured(Inside(tiny_net, torch.no_grad), tiny_data, attack="clean")
    assert report.clean.correct == 45


def test_a_caller_in_inference_mode_gets_the_same_verdicts(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with torch.inference_mode():
        report = measured(tiny_net, tiny_data)
    assert report.images.verdicts == measured(tiny_net, tiny_data).images.verdicts


def inverted_in_place(x: Tensor) -> Tensor:
    return x.mul_(-1).add_(1)


def stamped_in_place(x: Tensor) -> Tensor:
    x[:, :, :2, :2] = 0.5
    return x


def normalised_in_place(x: Tensor) -> Tensor:
    return x.sub_(torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1))


@pytest.mark.parametrize("before", [inverted_in_place, stamped_in_place, normalised_in_place])
def test_a_model_that_writes_into_its_images_is_given_a_copy(
    before: Callable[[Tensor], Tensor], tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    spoils = Around(tiny_net, before=before)
    spares = Around(tiny_net, before=lambda x: before(x.clone()))
    spoilt, spared = (measured(model, tiny_data) for model in (spoils, spares))
    assert spoilt.images.verdicts == spared.images.verdicts


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_model_of_another_precision_is_attacked_in_its_own_and_flagged(
    dtype: torch.dtype, tiny_data: ImageSet
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten(), nn.Linear(4, 5)).to(dtype)
    report = measured(model, tiny_data.take(20))
    assert codes(report)[0] == "model-dtype"
    assert str(dtype).removeprefix("torch.") in report.flags[0].detail


def test_a_model_of_several_precisions_converts_by_itself(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = tiny_net
            self.scale = nn.Parameter(torch.ones(5, dtype=torch.float64), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x.float()) * self.scale

    report = measured(Mixed(), tiny_data)
    assert report.images.verdicts == measured(tiny_net, tiny_data).images.verdicts


@pytest.fixture
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("norm", "eps"), [("Linf", "1/20"), ("L2", "1/4")])
@pytest.mark.parametrize(
    "attack", ["pgd-5", "pgd-sat-3", "fgsm", "autoattack", "autoattack-plus", "autoattack-rand"]
)
def test_the_default_dtype_of_the_process_changes_no_verdict(
    attack: str,
    norm: str,
    eps: str,
    tiny_net: nn.Module,
    tiny_data: ImageSet,
    float64_by_default: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, stages in protocols._AUTOATTACK.items():
        short = tuple(stage.model_copy(update={"steps": 4}) for stage in stages)
        monkeypatch.setitem(protocols._AUTOATTACK, name, short)
    options = {"attack": attack, "norm": norm, "eps": eps}
    double = measured(tiny_net, tiny_data.take(10), **options)
    torch.set_default_dtype(torch.float32)
    single = measured(tiny_net, tiny_data.take(10), **options)
    assert double.images.verdicts == single.images.verdicts
    assert codes(double) == codes(single)


def of_four(x: Tensor) -> Tensor:
    return x.view(4, *x.shape[1:])


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (lambda net: Around(net, lambda z: z.squeeze()), r"returned shape \(5,\) for 1 image:"),
        (lambda net: Around(net, before=of_four), "fails on 3 images of shape"),
        (lambda net: Around(net, lambda z: z[:2]), r"returned shape \(2, 5\) for 4 images"),
        (lambda net: Around(net, lambda z: z.mean(0, keepdim=True)), "returned shape"),
        (lambda net: Around(net, lambda z: z.argmax(1)), "returned shape"),
        (lambda net: Around(net, lambda z: z * torch.nan), "NaN or infinite logits"),
        (lambda net: Around(net, before=lambda x: x[:, :2]), "fails on 4 images of shape"),
        (lambda net: Around(net, before=lambda x: 1 / 0), "fails on 4 images.*ZeroDivisionError"),
    ],
)
def test_a_model_that_cannot_take_any_number_of_images_is_refused_at_once(
    model: Callable[[nn.Module], nn.Module],
    what: str,
    tiny_net: nn.Module,
    tiny_data: ImageSet,
) -> None:
    seen: list[str] = []
    with pytest.raises(ModelError, match=what):
        measured(model(tiny_net), tiny_data, on_progress=lambda p: seen.append(p.stage))
    assert seen == []


def test_a_classifier_calls_a_copy_as_it_calls_the_model(tiny_net: nn.Module) -> None:
    model = Around(tiny_net, OUTPUTS["a dictionary"], inverted_in_place).eval()
    x = torch.rand(4, 3, 8, 8)
    classifier, _ = fitted(model, "model", x, needs_gradient=True)
    copy = classifier.around(Around(tiny_net, OUTPUTS["a dictionary"], inverted_in_place))
    before = x.clone()
    assert torch.equal(copy(x), classifier(x))
    assert torch.equal(x, before)
    assert isinstance(copy, Classifier)
