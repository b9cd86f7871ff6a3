"""`sat-zoo train NAME`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from eval.errors import UsageError
from zoo.cards import ModelCard
from zoo.cli.shared.completing import complete_data, complete_models
from zoo.cli.shared.console import is_quiet, say, tell
from zoo.cli.shared.stopping import can_go_on
from zoo.cli.shared.voice import voice_options
from zoo.registry import card, own_models
from zoo.train.recipe import read_recipe, run_by

EXAMPLES = """\b
Examples:
  sat-zoo train resnet8-silu-sat-digits
  sat-zoo train resnet8-silu-sat-digits --set epochs=5 --out runs/short
  sat-zoo train resnet18-w16-silu-sat-cifar10 --data cifar10-jpeg --data-dir ~/cifar10
  sat-zoo train resnet8-silu-sat-digits --seed 1
  sat-zoo train resnet50-silu-sat --plan
  torchrun --nproc-per-node 4 -m zoo.train resnet50-silu-sat --data-dir ~/imagenet
A run that was stopped or killed goes on when the same command is given again."""


@click.command(epilog=EXAMPLES)
@click.argument("name", shell_complete=complete_models)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run.  [default: runs/NAME in SAT_ZOO_HOME]",
)
@click.option(
    "--data",
    "data_name",
    help="Data set.  [default: the model's own]",
    shell_complete=complete_data,
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change the recipe.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="One more run, by this seed, in a folder of its own.  [default: the recipe's]",
)
@click.option("--device", help="cpu, cuda, cuda:1 ...  [default: cuda where there is one]")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Between checkpoints.")
@click.option("--decoders", type=int, default=4, show_default=True, help="That decode pictures.")
@click.option("--limit-steps", type=click.IntRange(min=1), help="End early, to try things out.")
@click.option("--fresh", is_flag=True, help="Begin again; an earlier run is set aside.")
@click.option("--plan", is_flag=True, help="Only say what the run would cost.")
@click.option("--tensorboard", is_flag=True, help="Also write events for TensorBoard.")
@click.option("--bundle", is_flag=True, help="Make the result the model's bundled weights.")
@voice_options
def command(
    name: str,
    out: Path | None,
    data_name: str | None,
    data_dir: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    device: str | None,
    minutes: float,
    decoders: int,
    limit_steps: int | None,
    fresh: bool,
    plan: bool,
    tensorboard: bool,
    bundle: bool,
) -> None:
    """Train the model NAME from scratch by the recipe beside its card.

    Checkpoints are written on the way, also at Ctrl-C and SIGTERM; the same command goes on from
    the last. A line tells of each epoch; without a terminal one on stderr says every 30 s how far
    it is.
    """
    info = card(name)
    if seed is not None:
        info = _run_of(info, seed, overrides, bundle)
    recipe = read_recipe(info, overrides)
    if bundle and (overrides or limit_steps):
        flag = f"--set {overrides[0]}" if overrides else f"--limit-steps {limit_steps}"
        raise UsageError(
            f"--bundle and {flag} clash: bundled weights are those of the recipe as it stands"
            " beside the card; change the recipe there"
        )
    if plan:
        given = {"out": out, "limit-steps": limit_steps, "fresh": fresh, "bundle": bundle}
        for option, value in (given | {"tensorboard": tensorboard}).items():
            if value:
                raise UsageError(
                    f"--plan tells what the whole run would cost: leave out --{option}"
                )
    if minutes <= 0:
        raise UsageError(f"--minutes {minutes:g} is not positive: use for example 5")

    from zoo.train.distributed import processes
    from zoo.train.record.events import Stopped
    from zoo.train.record.result import WEIGHTS
    from zoo.train.start import Options, train_model

    voices = (_nothing, None) if is_quiet() else (tell, say)
    options = Options(out, data_name, data_dir, fresh, limit_steps, minutes, decoders, tensorboard)
    with processes(device) as ranks:
        if plan:
            from zoo.train.plan import plan_training

            lines = plan_training(info, recipe, ranks).lines()
            click.echo("\n".join(lines) if ranks.is_first else "", nl=ranks.is_first)
            return
        # One process cannot know what started the others.
        with can_go_on(Stopped) if ranks.size == 1 else nullcontext():
            folder = train_model(info, recipe, options, ranks, *voices)
        if is_quiet() and ranks.is_first:
            tell(f"weights written to {folder / WEIGHTS}")
        if bundle and ranks.is_first:
            from zoo.cli.shared.progress import progress_bar
            from zoo.train.record.bundle import bundle as install

            with progress_bar() as on_progress:
                install(
                    info,
                    folder,
                    data=data_name,
                    data_dir=data_dir,
                    device=str(ranks.device),
                    say=_nothing if is_quiet() else tell,
                    on_progress=on_progress,
                )


def _run_of(info: ModelCard, seed: int, overrides: Sequence[str], bundle: bool) -> ModelCard:
    if any(one.partition("=")[0].strip() == "seed" for one in overrides):
        raise UsageError(f"--seed {seed} and --set seed clash: give one of them")
    found = run_by(info, seed)
    if bundle and found.name not in own_models():
        raise UsageError(
            f"--bundle and --seed {seed} clash, since there is no card {found.name}: write one"
            f" beside {info.name}, with seed: {seed} and seed_of: {info.name}"
        )
    return found


def _nothing(_: str) -> None:
    """Say nothing."""
