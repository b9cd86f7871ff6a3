"""`evaluate` leaves a caller's model as it was, whatever ended it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from eval import attack, evaluate, protocol
from eval.data import ImageSet
from eval.engine.borrowed import borrowed
from eval.errors import SatZooError
from eval.plan import plan_run
from eval.threat import Threat

QUICK: dict[str, Any] = {"attack": "pgd-2", "eps": "1/20", "n": 8}
META = torch.device("meta")  # a device that every machine has, though nothing can be computed there


class Recorder(nn.Module):
    """Notes where it is sent, and carries a tensor that only its own `to` moves."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.sent: list[str] = []
        self.plain = torch.zeros(1)

    def to(self, *args: Any, **kwargs: Any) -> "Recorder":
        self.sent.append(str(args[0]))
        self.plain = self.plain.to(*args) if args[0] != torch.device("cpu") else torch.zeros(1)
        return super().to(*args, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Meddler(nn.Module):
    """Its forward does to itself all that a stranger's may do."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("hidden", torch.zeros(3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.hidden = self.hidden + 1
        first = self.net[0]
        first.weight.data.add_(1e-7)
        first.weight.requires_grad_(True)
        first.weight.grad = torch.ones_like(first.weight)
        if not first._forward_hooks:
            first.register_forward_hook(lambda *_: None)
        self.net[1].train()
        logits = self.net(x)
        self.net[1].train()
        return logits


def state(model: nn.Module) -> list[Any]:
    """Everything that must not change, by identity and by value."""
    found: list[Any] = []
    for name, module in model.named_modules():
        found += [name, module.training, list(module._forward_hooks.items())]
        found += [list(module._forward_pre_hooks.items()), list(module._backward_hooks.items())]
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        found += [name, id(tensor), tensor.data_ptr(), str(tensor.device), tensor.requires_grad]
        found += [id(tensor.grad) if tensor.is_leaf else None, tensor.detach().tolist()]
    return found


@pytest.fixture
def net(tiny_net: nn.Module) -> nn.Module:
    """A copy with what a training run leaves: gradients wanted, one there, and a hook."""
    net = copy.deepcopy(tiny_net).requires_grad_(True)
    net[0].weight.grad = torch.ones_like(net[0].weight)
    net[3].register_forward_hook(lambda *_: None)
    return net


def test_a_model_is_the_same_after_an_evaluation(net: nn.Module, tiny_data: ImageSet) -> None:
    before = state(net)
    evaluate(net, tiny_data, **QUICK)
    assert state(net) == before
    attack(net, tiny_data.batch(range(4)).x, tiny_data.batch(range(4)).y, "pgd-2")
    assert state(net) == before


def test_a_forward_that_changes_the_model_is_undone_and_flagged(
    net: nn.Module, tiny_data: ImageSet
) -> None:
    model = Meddler(net).eval()
    before = state(model)
    report = evaluate(model, tiny_data, **{**QUICK, "attack": "clean"})
    assert state(model) == before
    assert "model-changed" in [flag.code for flag in report.flags]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("mine"), SystemExit(3)])
def test_a_run_that_is_ended_leaves_the_model_too(
    net: nn.Module, tiny_data: ImageSet, error: BaseException
) -> None:
    def stop(_: object) -> None:
        raise error

    model = Meddler(net).eval()
    before = state(model)
    with pytest.raises(type(error) if isinstance(error, BaseException) else error):
        evaluate(model, tiny_data, **QUICK, on_progress=stop)
    assert state(model) == before


def test_a_model_that_is_where_it_must_be_is_not_moved(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    model = Recorder(tiny_net).eval()
    evaluate(model, tiny_data, **QUICK)
    assert model.sent == []


def measure(model: nn.Module, data: ImageSet) -> None:
    evaluate(model, data, **QUICK, device="meta")


def search(model: nn.Module, data: ImageSet) -> None:
    batch = data.batch(range(4))
    attack(model, batch.x, batch.y, "pgd-2", eps=1 / 20, device="meta")


def at_the_door(model: nn.Module, data: ImageSet) -> None:
    zoo.evaluate(model, images=data, attack="clean", eps=1 / 20, norm="inf", device="meta")


def plan(model: nn.Module, data: ImageSet) -> None:
    plan_run(model, data, protocol("pgd-2"), Threat("Linf", "1/20"), device="meta")


@pytest.mark.parametrize("work", [measure, search, at_the_door, plan])
def test_a_model_that_was_moved_comes_back_though_the_run_failed(
    net: nn.Module, tiny_data: ImageSet, work: Callable[[nn.Module, ImageSet], None]
) -> None:
    model = Recorder(net).eval()
    before = state(model)
    with pytest.raises((RuntimeError, SatZooError)):  # nothing can be computed there
        work(model, tiny_data)
    assert state(model) == before
    assert model.sent == ["meta", "cpu"]
    assert str(model.plain.device) == "cpu"


def test_while_it_is_borrowed_a_model_is_at_the_place_asked_for(net: nn.Module) -> None:
    shared = net[0].weight
    with borrowed(net, META):
        assert {str(t.device) for t in (*net.parameters(), *net.buffers())} == {"meta"}
    assert net[0].weight is shared
    assert str(shared.device) == "cpu"


def test_tied_weights_stay_tied(net: nn.Module) -> None:
    net[2] = copy.deepcopy(net[1])
    net[2].weight = net[1].weight
    before = state(net)
    with borrowed(net, META):
        pass
    assert state(net) == before
    assert net[2].weight is net[1].weight


def test_a_script_is_put_back_as_well(tiny_net: nn.Module) -> None:
    script = torch.jit.script(copy.deepcopy(tiny_net))
    with borrowed(script, torch.device("cpu")), torch.no_grad():
        next(script.parameters()).add_(1)
        script.train()
    assert torch.equal(next(script.parameters()), next(tiny_net.parameters()))
    assert not any(module.training for module in script.modules())
