"""`sat-zoo eval MODEL`."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import click

from eval.errors import UsageError
from eval.foreign import check_installed, refuse_elsewhere, refuse_plan
from eval.ignored import refuse_ignored
from eval.protocols import protocol
from zoo.choice import Named
from zoo.cli.plan import plan_evaluation
from zoo.cli.shared.columns import wide_option
from zoo.cli.shared.completing import complete_attacks
from zoo.cli.shared.console import remark
from zoo.cli.shared.data import chosen_images, data_options, download_bar
from zoo.cli.shared.model import chosen_model, model_options
from zoo.cli.shared.offer import offer_weights, yes_option
from zoo.cli.shared.search import (
    batch_size_option,
    device_option,
    engine_option,
    norm_option,
    seed_option,
    step_size_option,
)
from zoo.cli.shared.start import import_torch
from zoo.cli.shared.stopping import can_go_on
from zoo.cli.shared.voice import voice_options
from zoo.cli.shared.workers import chosen_workers, ray_options
from zoo.evaluation import check, check_ending, evaluate
from zoo.ready import load_both
from zoo.registry import brought

EXAMPLES = """\b
Examples:
  sat-zoo eval resnet8-silu-sat-digits --attack autoattack
  sat-zoo eval resnet8-silu-sat-digits --attack pgd-50 --n 64 --json
  sat-zoo eval resnet18-w16-silu-sat-cifar10 --data-dir ~/cifar10
      --attack pgd-50 --n 1000 --out report.json
  sat-zoo eval resnet18-w16-silu-sat-cifar10 --data-dir ~/cifar10 --until 2
  sat-zoo eval resnet8-silu-sat-digits
      --attack 'apgd-ce,torchattacks:Square?n_queries=100'
  sat-zoo eval resnet50-silu-sat --data-dir ~/imagenet --ray auto --gpus-per-worker 1

\b
Models that are not of the zoo:
  sat-zoo eval hf-hub:timm/resnet18.a1_in1k --data imagenet --norm Linf --eps 4/255 --n 1000
  sat-zoo eval robustbench:cifar10/Linf/Carmon2019Unlabeled --data-dir ~/cifar10
  sat-zoo eval torchvision:resnet50/IMAGENET1K_V2 --norm Linf --eps 4/255 --n 1000
  sat-zoo eval ./my.safetensors --arch resnet50 --n-classes 10
      --size 32 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5
      --data cifar10 --norm Linf --eps 8/255
  sat-zoo eval --factory mymodels.nets:build --factory-option width=16
      --data cifar10 --norm Linf --eps 8/255"""


@click.command(epilog=EXAMPLES)
@model_options
@click.option(
    "--attack",
    shell_complete=complete_attacks,
    default="autoattack",
    show_default=True,
    help="clean, fgsm, pgd-K, autoattack, autoattack-plus, autoattack-rand, quick (a fraction of"
    " autoattack's passes; its robust accuracy is an upper bound), pgd-sat-K (the SAT paper's);"
    " apgd-ce, apgd-dlr, apgd-t, fab, fab-t or square alone, or a list, as apgd-ce,square; a"
    " version may be named, as autoattack-standard@1. Of torchattacks, foolbox and ART, where they"
    " are installed: 'torchattacks:PGD?steps=20&alpha=2/255', foolbox:CLASS, art:CLASS.",
)
@click.option("--eps", help="Radius of the ball, as 8/255.  [default: the model's own]")
@norm_option
@step_size_option
@click.option(
    "--last-iterate",
    is_flag=True,
    help="Attack the images that pgd-K breaks to the end of their run too, for the accuracy of last"
    " iterates that many papers count; the verdicts are the same.",
)
@data_options
@engine_option
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the search; verdicts are always fp32. auto: bf16 where it is measured to be 1.3"
    " times faster.",
)
@batch_size_option
@seed_option
@device_option
@ray_options
@click.option("--out", type=click.Path(path_type=Path), help="Also write the report to this file.")
@click.option(
    "--save-adversarial",
    type=click.Path(path_type=Path),
    help="Write the adversarial images to this safetensors file; see sat-zoo verify.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    help="File that keeps each verdict once it is known; the same command goes on from it."
    "  [default: one for each run in SAT_ZOO_HOME/journals]",
)
@click.option("--fresh", is_flag=True, help="Start over; forget what the journal holds.")
@click.option(
    "--until",
    metavar="POINTS",
    help="Stop when the 95 % interval for the robust accuracy of all these images is at most this"
    " many points to either side, as 1.0; the same command without it goes on to the exact number.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="Stop after this time, as 30m or 1h30m, with the interval that is known then.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw how the interval narrowed, into a .svg or .png.",
)
@click.option(
    "--plan",
    "is_plan",
    is_flag=True,
    help="Time two batches, print what the run would cost, and stop.",
)
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout.")
@click.option("--allow-probabilities", is_flag=True, help="Go on if the model returns a softmax.")
@yes_option
@voice_options
def command(
    name: str | None,
    attack: str,
    eps: str | None,
    norm: str | None,
    step_size: str | None,
    last_iterate: bool,
    engine: Literal["fast", "reference"],
    precision: Literal["auto", "fp32", "bf16"],
    batch_size: int | None,
    seed: int,
    device: str,
    out: Path | None,
    save_adversarial: Path | None,
    journal: Path | None,
    fresh: bool,
    until: str | None,
    budget: str | None,
    plot: Path | None,
    is_plan: bool,
    as_json: bool,
    allow_probabilities: bool,
    yes: bool,
    **rest: Any,
) -> None:
    """Measure the clean and robust accuracy of the model NAME.

    NAME is a model of sat-zoo list, hf-hub:ORG/NAME[@REVISION], robustbench:DATA/THREAT/NAME,
    torchvision:MODEL/WEIGHTS, or a FILE.safetensors (sat-zoo convert makes one of a .pth); with
    --factory it is what the report calls the model. The report says which images were broken, by
    which attack; only images that the untouched model misclassifies inside the ball are counted.
    Whatever ends a run, the same command goes on with what was known. Ctrl-C, SIGTERM, --until and
    --budget end it with a report too: the images that are not done are open in it, and the robust
    accuracy is an interval. Without a terminal a line on stderr says every 30 s how far it is.
    """
    # What can be checked without torch is checked first: a typo must not cost three seconds.
    selection = chosen_images(rest)
    workers = chosen_workers(rest, device)
    choice = chosen_model(name, selection, rest)
    threat = check(choice.card, norm, eps, out, save_adversarial)
    plan = protocol(attack, step_size=step_size, last_iterate=last_iterate)
    check_ending(plan, until, budget, plot, engine)
    check_installed(plan.stages)
    if workers.ray is not None:
        refuse_elsewhere(plan.stages)
    refuse_ignored(
        plan,
        engine=engine,
        precision=precision,
        save_adversarial=save_adversarial,
        journal=journal,
    )
    if is_plan:
        refuse_plan(plan.stages)
        _refuse_beside_plan(
            until=until,
            budget=budget,
            plot=plot,
            out=out,
            save_adversarial=save_adversarial,
            journal=journal,
            fresh=fresh,
        )
    if isinstance(choice, Named):
        for fault in brought().about(choice.card.name):
            remark(fault)
        offer_weights(choice.card, choice.wanted.weights, yes=yes)

    import_torch()
    from eval.evaluation import Interrupted
    from zoo.cli.shared.output import print_report
    from zoo.cli.shared.progress import progress_bar

    if is_plan:
        n_workers = workers.planned()
        with download_bar() as on_download:
            ready = load_both(choice, device, selection, on_download, remark)
        plan_evaluation(
            ready.loaded.model,
            ready.images,
            plan,
            threat,
            engine=engine,
            precision=precision,
            seed=seed,
            batch_size=batch_size,
            device=device,
            name=ready.loaded.card.name,
            as_json=as_json,
            workers=n_workers,
        )
        return
    with can_go_on() if plan.stages else nullcontext():  # a clean pass keeps nothing
        stopped: Interrupted | None = None
        try:
            with (
                workers.executor(choice) as executor,
                download_bar() as on_download,
                progress_bar() as on_progress,
            ):
                report = evaluate(
                    choice,
                    attack=attack,
                    images=selection,
                    eps=eps,
                    norm=norm,
                    step_size=step_size,
                    last_iterate=last_iterate,
                    engine=engine,
                    precision=precision,
                    seed=seed,
                    batch_size=batch_size,
                    device=workers.own_device,
                    executor=executor,
                    out=out,
                    save_adversarial=save_adversarial,
                    journal=journal or True,
                    fresh=fresh,
                    until=until,
                    budget=budget,
                    plot=plot,
                    allow_probabilities=allow_probabilities,
                    command=shlex.join(["sat-zoo", *sys.argv[1:]]),
                    on_progress=on_progress,
                    on_download=on_download,
                    on_message=remark,
                )
        except Interrupted as interruption:
            report, stopped = interruption.report, interruption
        if as_json:
            click.echo(report.to_json(), nl=False)
        else:
            print_report(report, out)
        if stopped is not None:
            raise stopped


def _refuse_beside_plan(**given: object) -> None:
    """Raises `UsageError` for the first option that a plan has no use for."""
    for name, value in given.items():
        if value:
            option = name.replace("_", "-")
            raise UsageError(f"--plan tells what the whole run would cost: leave out --{option}")
