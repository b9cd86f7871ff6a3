"""`sat-zoo convert FILE.pth`: a state dict of torch.save, turned into safetensors once."""

from pathlib import Path

import click

from eval.files.border import plain
from zoo.cli.shared.start import import_torch

_SHOWN = 5


@click.command(
    epilog="""\b
Examples:
  sat-zoo convert checkpoint.pth
  sat-zoo convert checkpoint.pth --key ema --strip-prefix module. --out mine.safetensors"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The safetensors file; what is there is replaced.  [default: beside FILE, where nothing"
    " may be yet]",
)
@click.option(
    "--strip-prefix",
    metavar="PREFIX",
    help="Take the tensors whose names begin so, as module., without it.",
)
@click.option(
    "--key",
    metavar="NAME",
    help="Where in FILE the state dict is, as state_dict or a.b; needed where it holds several.",
)
def command(file: Path, out: Path | None, strip_prefix: str | None, key: str | None) -> None:
    """Turn the state dict in FILE, of torch.save, into a safetensors file that can be loaded.

    FILE is a pickle, which can run any code: here it is read as data only, and a file that needs
    code is refused with the name of what it asks for. Every tensor keeps its name, type and bits.
    """
    import_torch()
    from zoo.weights.convert import convert

    done = convert(file, out, strip_prefix=strip_prefix, key=key)
    where = f" under {plain(done.key)!r}" if done.key else ""
    click.echo(f"{done.path}: {done.n_tensors:,} tensors{where}, {done.n_numbers:,} numbers")
    click.echo(f"  sha256  {done.sha256}")
    click.echo(f"  of      {done.source_sha256}  {file}")
    for names, what in (
        (done.left_out, "left out, as they are no tensors or have not the prefix"),
        (done.shared, "shared memory, and are stored each"),
    ):
        if names:
            more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
            click.echo(f"  {what}: {', '.join(map(plain, names[:_SHOWN]))}{more}")
    if done.prefix:
        click.echo(
            f"  all names begin with {done.prefix}: --strip-prefix {done.prefix} takes it off"
        )
    click.echo(f"  load it with: sat-zoo eval {done.path} --arch NETWORK and what it asks for")
