"""`sat-zoo leaderboard`: its subcommands, each imported when it is named."""

from __future__ import annotations

from importlib import import_module

import click

from eval.errors import unknown

SUBCOMMANDS = ("add", "build", "check", "export", "push", "show")


class Subcommands(click.Group):
    """One file each in this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None if there is none of that name."""
        if cmd_name not in SUBCOMMANDS:
            return None
        found: click.Command = import_module(f"leaderboard.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but with the nearest names for an unknown command."""
        is_wrong = args and not args[0].startswith("-") and args[0] not in SUBCOMMANDS
        if is_wrong and not ctx.resilient_parsing:  # which is so while a shell completes
            see = "sat-zoo leaderboard --help"
            raise unknown("leaderboard command", args[0], SUBCOMMANDS, see=see)
        return super().resolve_command(ctx, args)


@click.group(cls=Subcommands, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Measured beside published: show, extend, check, export, build and push the leaderboard.

    \b
    Examples:
      sat-zoo leaderboard show imagenet
      sat-zoo leaderboard add report.json
      sat-zoo leaderboard build --out site
      sat-zoo leaderboard push site --space OWNER/NAME --dry-run
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
