"""`sat-zoo curve MODEL [OTHER]`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from eval.ignored import refuse_ignored
from zoo.choice import Named, choose
from zoo.cli.shared.columns import wide_option
from zoo.cli.shared.completing import complete_attacks, complete_models
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
from zoo.curves import check_curve, curve

if TYPE_CHECKING:
    from eval.curves.curve import Curve

EXAMPLES = """\b
Examples:
  sat-zoo curve resnet8-silu-sat-digits --eps 1/16:8/16:1/16
  sat-zoo curve resnet8-silu-sat-digits --steps 1,2,5,10,20,50,100
  sat-zoo curve resnet8-silu-sat-digits resnet8-relu-at-digits
      --eps 1/16:6/16:1/32 --out curve.json --plot curve.svg
  sat-zoo curve resnet18-w16-silu-sat-cifar10 --data-dir ~/cifar10
      --eps 1/255:16/255 --attack pgd-20 --n 1000 --plot curve.png"""


@click.command(epilog=EXAMPLES)
@model_options
@click.argument("other", required=False, shell_complete=complete_models)
@click.option(
    "--eps",
    help="The radii: 1/255:16/255 in steps of 1/255, A:B:STEP, or 1/255,2/255,4/255; with --steps"
    " one radius.  [default with --steps: the model's own]",
)
@click.option("--steps", help="Numbers of steps of PGD: 1,2,5,10,20,50,100, or A:B or A:B:STEP.")
@click.option(
    "--attack",
    shell_complete=complete_attacks,
    help="As in sat-zoo eval; with --steps pgd or pgd-sat.  [default: pgd-20, with --steps pgd]",
)
@norm_option
@step_size_option
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Attack what stands at the end once more where nothing can: at an eps at which every image"
    " can be made plain grey (1/2 in Linf).",
)
@data_options
@engine_option
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="Of the search; verdicts are always fp32.",
)
@batch_size_option
@seed_option
@device_option
@ray_options
@click.option("--out", type=click.Path(path_type=Path), help="Also write the curve as JSON here.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw it here, as .svg or .png.")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that keeps each verdict once it is known; the same command goes on from it."
    "  [default: SAT_ZOO_HOME/journals/curves]",
)
@click.option("--fresh", is_flag=True, help="Start over; forget what the journals hold.")
@wide_option
@click.option("--json", "as_json", is_flag=True, help="Print the curve as JSON on stdout.")
@click.option("--allow-probabilities", is_flag=True, help="Go on if the model returns a softmax.")
@yes_option
@voice_options
def command(
    name: str | None,
    other: str | None,
    eps: str | None,
    steps: str | None,
    attack: str | None,
    norm: str | None,
    step_size: str | None,
    check: bool,
    engine: Literal["fast", "reference"],
    precision: Literal["auto", "fp32", "bf16"],
    batch_size: int | None,
    seed: int,
    device: str,
    out: Path | None,
    plot: Path | None,
    journal: Path | None,
    fresh: bool,
    as_json: bool,
    allow_probabilities: bool,
    yes: bool,
    **rest: Any,
) -> None:
    """Measure how the accuracy of the model NAME falls with eps, or with the steps of PGD.

    With OTHER, a second name, the paired difference of the two at each point. Options as --weights
    and --arch are NAME's alone.

    An image that fell stays fallen: its adversarial image lies in every larger ball and is verified
    there again. So only what still stands is attacked, and the curve never rises. Whatever ends
    the command, the same command goes on with what was known.
    """
    # What can be checked without torch is checked first: a typo must not cost three seconds.
    selection = chosen_images(rest)
    workers = chosen_workers(rest, device)
    choices = [chosen_model(name, selection, rest)]
    if other is not None:
        choices.append(choose(other, images=selection))
    cards = [choice.card for choice in choices]
    check_curve(cards, eps, steps, attack, norm=norm, step_size=step_size, out=out, plot=plot)
    refuse_ignored(None, engine=engine, precision=precision)
    for choice in choices:
        if isinstance(choice, Named):
            offer_weights(choice.card, choice.wanted.weights, yes=yes)

    import_torch()
    from zoo.cli.shared.progress import progress_bar

    with (
        can_go_on(),
        workers.executor(choices[0]) as executor,
        download_bar() as on_download,
        progress_bar() as on_progress,
    ):
        found = curve(
            *choices,
            eps=eps,
            steps=steps,
            attack=attack,
            norm=norm,
            step_size=step_size,
            check=check,
            images=selection,
            engine=engine,
            precision=precision,
            seed=seed,
            batch_size=batch_size,
            device=workers.own_device,
            executor=executor,
            out=out,
            plot=plot,
            journal=journal or True,
            fresh=fresh,
            allow_probabilities=allow_probabilities,
            command=shlex.join(["sat-zoo", *sys.argv[1:]]),
            on_progress=on_progress,
            on_download=on_download,
            on_message=remark,
        )
    if as_json:
        click.echo(found.to_json(), nl=False)
    else:
        _print(found, [path for path in (out, plot) if path is not None])


def _print(found: Curve, written: list[Path]) -> None:
    from zoo.cli.shared.curve_table import print_curve

    print_curve(found, written)
