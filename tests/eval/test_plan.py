from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from eval.attacks import build
from eval.begin import begun
from eval.data import ImageSet, from_tensors
from eval.engine.cost import peak_bytes
from eval.errors import DataError, ModelError
from eval.executors.base import Event
from eval.executors.stage_search import StageSearch
from eval.plan import Plan, Spreading, plan_run
from eval.planning.expected import Range
from eval.planning.rehearsal import FIRST_TURNS, LATER_TURNS
from eval.protocols import Protocol, protocol
from eval.request import Request
from eval.run import Run
from eval.threat import Threat

TINY = Threat("Linf", "1/100000")
"""So small a ball that nothing breaks in it."""


def cut(name: str, steps: int) -> Protocol:
    whole = protocol(name)
    few = tuple(
        stage.model_copy(update={"steps": steps, "eot": min(stage.eot, 2)})
        for stage in whole.stages
    )
    return Protocol(name=f"{name} cut", stages=few)


@pytest.fixture(scope="module")
def right(tiny_net: nn.Module, tiny_data: ImageSet) -> ImageSet:
    """The images of `tiny_data` that `tiny_net` gets right, far from any boundary."""
    batch = tiny_data.batch(range(60))
    top = tiny_net(batch.x).topk(2, dim=1)
    is_clear = (top.indices[:, 0] == batch.y) & (top.values[:, 0] - top.values[:, 1] > 0.01)
    return tiny_data.select(is_clear.nonzero().squeeze(1).tolist())


def run_stages(
    net: nn.Module, data: ImageSet, stages: Protocol, threat: Threat, precision: str = "fp32"
) -> Run:
    request = Request(
        data=data,
        threat=threat,
        protocol=stages,
        precision=precision,
        batch_size=16,
    )
    with begun(net, request) as run:
        run.attack()
        return run


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["pgd-5", "fgsm", "autoattack", "autoattack-rand", "quick"])
def test_passes_of_survivors_are_as_planned(
    tiny_net: nn.Module, right: ImageSet, name: str, precision: str
) -> None:
    stages = cut(name, 1 if name == "fgsm" else 3)
    plan = plan_run(
        tiny_net,
        right,
        stages,
        TINY,
        precision=precision,
        batch_size=16,
    )
    run = run_stages(tiny_net, right, stages, TINY, precision)
    assert set(run.verdicts) == {"robust"}
    assert plan.precision == run.setting.engine.precision == precision
    for planned, done in zip(plan.stages[1:], run.stage_results, strict=True):
        if done.name == "fab-t" or stages.stages[0].fallback_loss:
            # Where nothing is crossed FAB needs less than it might, and PGD where nothing vanishes.
            assert done.forwards <= planned.most.forwards
            assert done.backwards <= planned.most.backwards
        else:
            # The plan holds every proof of the copy; how many a run makes depends on its batches.
            assert 0 <= planned.most.forwards - done.forwards <= 0.005 * planned.most.forwards + 24
            assert 0 <= planned.most.backwards - done.backwards <= 12 + 0.005 * done.backwards


@pytest.mark.parametrize("eps", ["1/50", "1/5"])
@pytest.mark.parametrize("name", ["autoattack", "autoattack-plus", "quick"])
def test_no_run_makes_more_passes_than_planned(
    tiny_net: nn.Module, right: ImageSet, name: str, eps: str
) -> None:
    stages, threat = cut(name, 3), Threat("Linf", eps)
    plan = plan_run(tiny_net, right, stages, threat, precision="fp32", batch_size=16)
    run = run_stages(tiny_net, right, stages, threat)
    for planned, done in zip(plan.stages[1:], run.stage_results, strict=True):
        assert planned.least.forwards <= done.forwards <= planned.most.forwards
        assert planned.least.backwards <= done.backwards <= planned.most.backwards


def test_fab_that_crosses_at_every_second_step_needs_no_more_than_planned() -> None:
    def passes(outcomes: list[bool]) -> tuple[int, int]:
        """Forwards and gradients of one row of FAB's loop whose n-th proposal is outcomes[n]."""
        k, is_proposal, expects, forwards, gradients = 0, False, True, 0, 0
        while k < len(outcomes):
            if is_proposal and expects:
                forwards, expects, is_proposal, k = forwards + 1, outcomes[k], False, k + 1
            gradients += 1
            if is_proposal:
                expects, is_proposal, k = outcomes[k], False, k + 1
                if expects:
                    continue
            is_proposal = True
        return forwards + gradients, gradients

    (stage,) = [s for s in protocol("autoattack").stages if s.name == "fab-t"]
    for n in range(1, 11):
        most = build(stage.model_copy(update={"steps": n, "targets": 1}), TINY, 10).most_passes()
        found = [passes([bool(i >> bit & 1) for bit in range(n)]) for i in range(2**n)]
        assert max(f for f, _ in found) == most.forwards + most.gradients
        assert n <= max(g for _, g in found) <= most.gradients


def test_fewer_classes_than_targets_cost_fewer_runs() -> None:
    stage = protocol("autoattack").stages[1]
    assert build(stage, TINY, 10).most_passes().gradients == 9 * 101
    assert build(stage, TINY, 4).most_passes().gradients == 3 * 101
    assert build(stage, TINY, 4).most_passes(10).exact_gradients == 11


def test_pgd_that_keeps_last_iterates_costs_the_same_when_everything_breaks() -> None:
    (stage,) = protocol("pgd-sat-50").stages
    pgd = build(stage, TINY, 10)
    assert pgd.least_passes() == pgd.most_passes()


@pytest.mark.parametrize(
    ("name", "wanted"), [("pgd-1", (0, 1)), ("pgd-50", (0, 1)), ("fgsm", (1, 1))]
)
def test_pgd_that_leaves_costs_one_look_when_everything_breaks_at_once(
    name: str, wanted: tuple[int, int]
) -> None:
    (stage,) = protocol(name).stages
    least = build(stage, TINY, 10).least_passes()
    assert (least.forwards, least.gradients) == wanted


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("scale", "is_most"), [(1.0, False), (1e6, True)])
@pytest.mark.parametrize("name", ["pgd-5", "fgsm"])
def test_pgd_takes_a_second_gradient_in_every_step_at_the_most(
    tiny_net: nn.Module, right: ImageSet, name: str, scale: float, is_most: bool, precision: str
) -> None:
    class Confident(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = scale * tiny_net(x)
            return logits

    (stage,) = protocol(name).stages
    pgd = build(stage, TINY, 5)
    run = run_stages(Confident().eval(), right, protocol(name), TINY, precision)
    (done,) = run.stage_results
    most = pgd.most_passes(0 if precision == "fp32" else pgd.polish_steps)
    assert most.gradients == 2 * stage.steps
    n_gradients = most.gradients + most.exact_gradients
    wanted = len(right) * (n_gradients if is_most else n_gradients // 2)
    assert 0 <= done.backwards - wanted <= 12 + 0.005 * wanted  # the proofs of the copy


def test_totals_are_the_sums_and_the_json_reads_back(tiny_net: nn.Module, right: ImageSet) -> None:
    plan = plan_run(tiny_net, right, protocol("autoattack"), TINY, precision="fp32", n=20)
    assert Plan.model_validate_json(plan.to_json()) == plan
    assert plan.most.forwards == sum(stage.most.forwards for stage in plan.stages)
    assert plan.least.seconds == pytest.approx(sum(s.least.seconds for s in plan.stages))
    assert plan.seconds_per_survivor == pytest.approx(plan.most.seconds / 20)
    assert plan.most.multiply_adds == (
        plan.most.forwards * plan.speed.forward_multiply_adds
        + plan.most.backwards * plan.speed.backward_multiply_adds
    )


def test_right_images_are_counted_once(tiny_net: nn.Module, tiny_data: ImageSet) -> None:
    whole = plan_run(tiny_net, tiny_data, protocol("clean"), TINY, batch_size=40)
    assert (whole.n_looked_at, whole.n_right) == (60, 45)
    part = plan_run(tiny_net, tiny_data, protocol("clean"), TINY, batch_size=8)
    assert (part.n_looked_at, part.n_right) == (16, 12)
    assert whole.most == whole.least


def test_a_model_or_images_that_cannot_be_evaluated_are_found_out(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    with pytest.raises(ModelError, match="is in train mode"):
        plan_run(nn.Sequential(nn.Flatten()).train(), tiny_data, protocol("clean"), TINY)
    labels = torch.full((3,), 7)
    with pytest.raises(DataError, match="has label 7, but the model has 5 classes"):
        plan_run(tiny_net, from_tensors(torch.rand(3, 3, 8, 8), labels), protocol("clean"), TINY)


@pytest.mark.parametrize("name", ["pgd-5", "autoattack"])
def test_a_run_stays_within_the_planned_memory(
    tiny_net: nn.Module, right: ImageSet, name: str
) -> None:
    stages, few = cut(name, 1), right.take(20)
    plan = plan_run(tiny_net, few, stages, TINY, precision="fp32", batch_size=16)
    used = peak_bytes(lambda: run_stages(tiny_net, few, stages, TINY))
    assert plan.peak_memory_bytes / 5 < used < plan.peak_memory_bytes


def test_the_plan_tries_first_steps_and_no_more(
    tiny_net: nn.Module, tiny_data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_turns: Counter[str] = Counter()
    turn = StageSearch.turn

    def counted(search: StageSearch) -> Iterator[Event]:
        n_turns[search.name] += 1
        return turn(search)

    monkeypatch.setattr(StageSearch, "turn", counted)
    plan = plan_run(tiny_net, tiny_data, protocol("autoattack"), TINY)
    assert [s.name for s in plan.stages] == ["clean", *n_turns]
    assert n_turns["apgd-ce"] <= 2 * FIRST_TURNS
    assert max(n_turns.values()) <= 2 * LATER_TURNS


@pytest.mark.parametrize(
    ("name", "eps"),
    [
        ("pgd-5", "1/50"),
        ("pgd-40", "1/5"),
        ("pgd-40", "1/100000"),
        ("autoattack", "1/50"),
        ("autoattack", "1/5"),
        ("quick", "1/50"),
        ("autoattack-plus", "1/50"),
    ],
)
def test_passes_of_a_run_fall_into_the_expected_range(
    tiny_net: nn.Module, tiny_data: ImageSet, name: str, eps: str
) -> None:
    few = protocol(name) if name.startswith("pgd") else cut(name, 14 if name == "quick" else 5)
    threat = Threat("Linf", eps)
    plan = plan_run(tiny_net, tiny_data, few, threat, precision="fp32", batch_size=16)
    run = run_stages(tiny_net, tiny_data, few, threat)
    total = plan.expected
    proofs = 60
    for found, done in (
        (total.forwards, len(tiny_data) + sum(s.forwards for s in run.stage_results)),
        (total.backwards, sum(s.backwards for s in run.stage_results)),
    ):
        assert found.low <= found.expected <= found.high
        assert 0.98 * found.low - proofs <= done <= 1.02 * found.high + proofs
    for stage in plan.stages:
        assert stage.expected.forwards.high <= 1.01 * stage.most.forwards


def test_a_model_that_is_never_right_is_planned_too(
    tiny_net: nn.Module, tiny_data: ImageSet
) -> None:
    wrong = (tiny_net(tiny_data.batch(range(60)).x).argmax(1) + 1) % 5
    data = from_tensors(tiny_data.batch(range(60)).x, wrong)
    plan = plan_run(tiny_net, data, protocol("autoattack"), TINY)
    assert plan.n_right == 0
    assert plan.expected.backwards.expected == 0


def test_the_command_prints_the_plan_and_stops(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.cli.eval import command

    call: Callable[..., object] = command.main
    monkeypatch.setattr("eval.evaluation._attack", None)  # it would be called
    arguments = ["resnet8-silu-sat-digits", "--plan", "--n", "16", "--attack", "quick"]
    call([*arguments, "--json"], standalone_mode=False)
    plan = Plan.model_validate_json(capsys.readouterr().out)
    assert [stage.name for stage in plan.stages][:2] == ["clean", "apgd-ce"]
    assert (plan.n, plan.batch_size) == (16, 128)
    assert not [name for name in plan.known_from if "silu-sat-digits" in name]
    call(arguments, standalone_mode=False)
    out = capsys.readouterr().out
    for text in ("apgd-ce", "upper bounds", "16 images", "3 Reports", "GB at the peak"):
        assert text in out


def test_workers_share_all_but_what_each_does_for_itself() -> None:
    spread = Spreading.of(4, Range(expected=100.0, low=60.0, high=210.0), begin_seconds=10.0)
    assert spread.seconds == Range(expected=32.5, low=22.5, high=60.0)
    short = Spreading.of(4, Range(expected=5.0, low=4.0, high=6.0), begin_seconds=10.0)
    assert short.seconds.expected == 5.0, "never more than one process takes"
