"""`sat-zoo completion SHELL`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from eval.errors import UsageError
from zoo.cli.shared.console import echo

LINES = {
    "bash": """echo 'eval "$(sat-zoo completion bash)"' >> ~/.bashrc""",
    "zsh": """echo 'eval "$(sat-zoo completion zsh)"' >> ~/.zshrc""",
    "fish": "sat-zoo completion fish > ~/.config/fish/completions/sat-zoo.fish",
}
"""What to type once for each shell."""

VARIABLE = "_SAT_ZOO_COMPLETE"
"""Set by the scripts when they ask for names."""


@click.command(
    epilog="\b\nExamples, to type once; new terminals have it then:\n"
    + "\n".join(f"  {line}" for line in LINES.values())
)
@click.argument("shell", required=False, type=click.Choice(list(LINES)))
def command(shell: str | None) -> None:
    """Print the script that lets SHELL complete names when TAB is pressed.

    Commands, options, models, attacks, data sets and stored results are completed. Without SHELL,
    the line to type for each.
    """
    if shell is None:
        for line in LINES.values():
            echo(line)
        return
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"shell {shell!r} is not known to this click: take another version of it")
    from zoo.cli import cli

    # Not bash's own `source`, which starts a bash to ask for its version.
    echo(ShellComplete.source(kind(cli, {}, "sat-zoo", VARIABLE)), newline=False)
