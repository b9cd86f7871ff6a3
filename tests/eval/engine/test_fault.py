"""A copy that was right when it was proven and is not any more."""

from typing import Any

import pytest
import torch
from torch import Tensor

from eval import evaluate, protocol, protocols
from tests.eval.engine.test_proof import IMAGES, Net8, frozen


class Turns(Net8):
    """Right until it has been called `n_good` times by whoever copied it; then it sees nothing."""

    n_good = 0

    def __init__(self) -> None:
        super().__init__()
        self.n_calls, self.is_copy = 0, False

    def __deepcopy__(self, memo: dict[int, Any]) -> "Turns":
        other = type(self)()
        other.is_copy = True
        return other.eval()

    def spoilt(self, x: Tensor) -> Tensor:
        return torch.full_like(x, 0.5) + 0 * x

    def forward(self, x: Tensor) -> Tensor:
        self.n_calls += 1
        return super().forward(self.spoilt(x) if self.is_bad() else x)

    def is_bad(self) -> bool:
        return self.is_copy and self.n_calls > self.n_good


class Fails(Turns):
    def spoilt(self, x: Tensor) -> Tensor:
        raise ValueError("worn out")


class LosesItsGradient(Turns):
    """Its logits stay right."""

    def spoilt(self, x: Tensor) -> Tensor:
        return x.detach() + 0 * x


@pytest.mark.parametrize("kind", [Turns, Fails, LosesItsGradient])
@pytest.mark.parametrize(
    ("n_good", "attack", "budget"),
    [
        (9, "pgd-10", None),
        (12, "pgd-10", None),
        (20, "pgd-10", None),
        (25, "autoattack", None),
        (25, "autoattack", "1d"),
        (60, "autoattack", "1d"),
        (120, "autoattack", "1d"),
    ],
)
def test_a_copy_that_goes_wrong_on_the_way_is_found_out(
    kind: type[Turns],
    n_good: int,
    attack: str,
    budget: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kind, "n_good", n_good)
    short = [s.model_copy(update={"steps": 12}) for s in protocol("autoattack").stages]
    monkeypatch.setitem(protocols._AUTOATTACK, "autoattack-standard@1", tuple(short))
    images = IMAGES[:6] if attack == "autoattack" else IMAGES
    options = {"eps": "1/20", "last_iterate": attack != "autoattack"}
    options |= {"batch_size": 3} if budget else {}  # several stages are under way at once
    fast, plain = (
        evaluate(model, (images, model(images).argmax(1)), attack=attack, budget=end, **options)
        for model, end in ((frozen(kind()), budget), (frozen(Net8()), None))
    )
    assert [flag.code for flag in fast.flags if flag.code.startswith("engine")] == ["engine-fault"]
    assert fast.images.verdicts == plain.images.verdicts
    last = [[stage.last_iterate_accuracy for stage in r.stages] for r in (fast, plain)]
    assert last[0] == last[1]
