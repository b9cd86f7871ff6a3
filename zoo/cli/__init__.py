"""`sat-zoo`: one command a file; a command parses, calls, prints. Nothing here imports torch early.

Commands come from the entry-point group `sat_zoo.commands` in pyproject.toml.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version

import click
from click.shell_completion import CompletionItem

from eval.errors import UsageError, unknown
from eval.files.interrupts import Terminated, terminable
from sat_zoo import PACKAGES, shadow
from zoo.cli.shared.console import say
from zoo.cli.shared.ending import ending_of
from zoo.cli.shared.output_lost import watched_stdout

GROUP = "sat_zoo.commands"

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM: 128 and the signal's number, as shells and supervisors say
it of a process that a signal ended."""


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


class Commands(click.Group):
    """The commands of all packages, each imported when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return sorted(_entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None if there is none of that name."""
        entry = _entries().get(cmd_name)
        if entry is None:
            return None
        package = entry.module.partition(".")[0]
        if package in PACKAGES and (said := shadow(package)):
            raise UsageError(said)
        command: click.Command = entry.load()
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names without a word on each, for which every command would have to be imported."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [*map(CompletionItem, names), *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the nearest names for an unknown command."""
        is_wrong = args and not args[0].startswith("-") and args[0] not in _entries()
        if is_wrong and not ctx.resilient_parsing:  # which is so while a shell completes
            raise unknown("command", args[0], sorted(_entries()), see="sat-zoo --help")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(version("sat-zoo"), prog_name="sat-zoo")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Smooth Adversarial Training models, and the instrument that measures their robustness.

    \b
    Examples:
      sat-zoo list
      sat-zoo show resnet50-silu-sat
      sat-zoo eval resnet8-silu-sat-digits --attack autoattack

    Exit codes: 0 done, 1 the run failed, 2 wrong usage, 3 weights not available, 130 Ctrl-C,
    143 SIGTERM, 70 an error of ours.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Run the command line; errors become one sentence on stderr and an exit code."""
    with terminable() as terminated:
        code = _run(terminated)
    sys.exit(code)


def _run(terminated: Sequence[Terminated]) -> int:
    """terminated: gets what SIGTERM raises, whatever becomes of that on its way up."""
    try:
        with watched_stdout():
            return cli.main(prog_name="sat-zoo", standalone_mode=False) or 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        say("stopped by SIGTERM" if terminated else "interrupted")
        return TERMINATED if terminated else INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader of our output went away (`| head`): not an error of ours
    except Exception as error:
        if "--debug" in sys.argv:
            with contextlib.suppress(OSError):  # of a stderr that is gone
                traceback.print_exc()
        ending = ending_of(error)
        say(_one_line(ending.sentence))
        return ending.exit_code


def _one_line(text: str) -> str:
    return " ".join(text.split())
