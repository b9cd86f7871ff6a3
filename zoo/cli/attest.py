"""`sat-zoo attest REPORT`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import click

from eval.errors import ReportError, UsageError
from eval.files.border import border, is_file, plain, read_bytes
from eval.files.writing import check_writable, write_atomically
from eval.official import check_images
from eval.report.known import check_protocol
from eval.report.report import Report
from zoo.attest.envelope import ENDING, Signed, envelope_text
from zoo.attest.statement import statement_of, to_bytes
from zoo.cli.shared.console import echo, say

EXAMPLES = """\b
Examples:
  openssl genpkey -algorithm ed25519 -out key.pem        # once: the key
  openssl pkey -in key.pem -pubout -out key.pub          # its public half, to give away
  sat-zoo attest report.json --key key.pem
  sat-zoo attest report.json --sigstore --out report.sigstore.json
  sat-zoo verify report.att.json --public-key key.pub"""


@click.command(epilog=EXAMPLES)
@click.argument("report", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Where to write it.  [default: beside the report, NAME{ENDING}]",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Sign with this private key, Ed25519 or ECDSA, in PEM or of ssh-keygen.",
)
@click.option(
    "--sigstore", is_flag=True, help="Sign for who you log in as, in a public log; needs a network."
)
def command(report: Path, out: Path | None, key: Path | None, sigstore: bool) -> None:
    """State what a report was made from, and sign it: report, weights, data, versions.

    Writes an in-toto statement with SLSA provenance in a DSSE envelope. Whoever signs says: I ran
    this, on these weights and data. It proves who says so, and that nothing was changed since; not
    that it is true. Without --key or --sigstore nobody signs. `sat-zoo verify` checks it.
    """
    if key is not None and sigstore:
        raise UsageError(f"--key {key} and --sigstore both sign: give one")
    if not is_file(report):
        raise UsageError(f"{plain(str(report))} is not a file: name a report")
    target = out or report.with_name(f"{report.name.removesuffix('.json')}{ENDING}")
    if target.resolve() == report.resolve():
        raise UsageError(f"--out {out} is the report itself: choose another file")
    check_writable(target)
    statement = _statement(report)
    if sigstore:
        from zoo.attest.keyless import sign_keyless

        text, how = sign_keyless(statement), "signed through sigstore"
    else:
        signature, how = _signed(statement, key)
        text = envelope_text(statement, [signature] if signature else [])
    write_atomically(target, text)
    echo(f"{plain(str(target))}: states what {plain(str(report))} was made from, {how}")
    if key is None and not sigstore:
        say(
            f"NOT SIGNED: anybody can write what is in {plain(str(target))}, and sat-zoo verify"
            " will not accept it; sign with --key FILE"
        )


def _statement(path: Path) -> bytes:
    """The statement over a report that holds: nobody signs what `sat-zoo verify` refuses."""
    with border(f"report {path}", ReportError, "give a Report that sat-zoo wrote"):
        content = read_bytes(path)
    found = Report.read(path)
    try:
        check_protocol(found)
        check_images(found)
    except ReportError as error:
        raise ReportError(f"report {plain(str(path))}: {error}; nothing was signed") from error
    if read_bytes(path) != content:
        raise ReportError(f"report {plain(str(path))} changed meanwhile: run the command again")
    return to_bytes(statement_of(found, content, name=path.name, version=version("sat-zoo")))


def _signed(statement: bytes, key: Path | None) -> tuple[Signed | None, str]:
    if key is None:
        return None, "NOT SIGNED"
    from zoo.attest.keys import sign

    def ask() -> str:
        return str(click.prompt(f"password of {plain(str(key))}", hide_input=True, err=True))

    signature, kind = sign(statement, key, ask if sys.stdin and sys.stdin.isatty() else None)
    return signature, f"signed by the {kind} key {signature.keyid[:12]}"
