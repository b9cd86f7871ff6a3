"""`sat-zoo verify FILE.att.json`: who vouches for which report, and does all of it agree?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eval.errors import ReportError, SatZooError, UsageError, WeightsMismatch
from eval.files.border import border, is_file, plain, read_bytes
from eval.report.report import Report
from zoo.attest.envelope import Attestation
from zoo.attest.statement import differences, report_digest, subject_of, version_of
from zoo.cli.shared.console import echo, remark

if TYPE_CHECKING:
    from zoo.cards import ModelCard

SIGNERS = ("public_key", "identity", "issuer")


def signature_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that only `verify_attestation` understands."""
    options = (
        click.option(
            "--public-key",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Of an attestation: the key that must have signed it.",
        ),
        click.option(
            "--identity",
            metavar="NAME",
            help="Of an attestation by sigstore: who must have signed it.",
        ),
        click.option("--issuer", metavar="URL", help="Of --identity: who vouches for that name."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def refuse_signature_options(file: Path, given: dict[str, Any]) -> None:
    """Raises `UsageError` for the first of these options that was given with another file."""
    for name in SIGNERS:
        if given[name] is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} {plain(str(given[name]))} is for an attestation, and"
                f" {plain(str(file))} is none: leave it out"
            )


def verify_attestation(
    path: Path,
    report: Path | None,
    *,
    data_dir: Path | None,
    classes: Path | None,
    weights: Path | None,
    strip_prefix: str | None,
    public_key: Path | None,
    identity: str | None,
    issuer: str | None,
) -> Path:
    """Compare an attestation with the report, the weights and the data that are here; the report.

    Prints what agrees. Raises `ReportError` that names all that does not, or says that nobody who
    is trusted signed it.
    """
    if (identity is None) != (issuer is None):
        raise UsageError("--identity and --issuer belong together: give both")
    if public_key is not None and identity is not None:
        raise UsageError(f"--public-key {public_key} and --identity: give who signed once")
    found = Attestation.read(path)
    where = _report(path, found, report)
    faults = list(_faults(found, where, data_dir, classes, weights, strip_prefix))
    signed = _signed(found, public_key, identity, issuer)
    if faults:
        more = [f"signature: {signed}"] if isinstance(signed, SatZooError) else []
        raise ReportError(f"{plain(str(path))} does not hold: {'; '.join(faults + more)}")
    if isinstance(signed, SatZooError):
        raise ReportError(f"{plain(str(path))} is not to be trusted: {signed}")
    echo(f"{plain(str(path))}: {signed}")
    return where


def _report(path: Path, found: Attestation, report: Path | None) -> Path:
    """The report that an attestation is compared with: the named one, else that of its own name."""
    if report is not None:
        if not is_file(report):
            raise UsageError(f"--report {plain(str(report))} is not a file: name a report")
        return report
    name = subject_of(found.statement)
    beside = path.with_name(name) if name and Path(name).name == name else None
    if beside is None or not is_file(beside):
        raise UsageError(
            f"{plain(str(path))} is of the report '{plain(name)}', which is not beside it: name it"
            " with --report FILE"
        )
    return beside


def _faults(
    found: Attestation,
    path: Path,
    data_dir: Path | None,
    classes: Path | None,
    weights: Path | None,
    strip_prefix: str | None,
) -> Iterator[str]:
    """Each mismatch in a few words; what agrees is printed as it is found."""
    with border(f"report {path}", ReportError, "give a Report that sat-zoo wrote"):
        content = read_bytes(path)
    try:
        report = Report.read(path)
    except ReportError as error:
        yield f"{error}, and it states the sha256 {plain(report_digest(found.statement), 12)}"
        return
    differing = differences(found.statement, report, content)
    yield from differing
    if not differing:
        data = report.data
        echo(
            f"{plain(str(path))} is the very report that it is of: its sha256, weights_sha256"
            f" {report.model.weights_sha256[:12]}, {plain(data.name)} with ids_sha256"
            f" {data.ids_sha256[:12]} and pixels_sha256 {data.pixels_sha256[:12]}, sat-zoo"
            f" {plain(report.engine.version)} and torch {plain(report.engine.torch)} agree"
        )
    yield from _weights(path, report, weights, strip_prefix)
    yield from _data(report, data_dir, classes)
    stated = version_of(found.statement)
    if stated != version("sat-zoo"):
        remark(
            f"it was stated by sat-zoo {plain(stated)}, and this is sat-zoo {version('sat-zoo')}:"
            " use that one if something here is read otherwise"
        )


def _card(report: Report) -> ModelCard | None:
    from zoo.registry import card, list_models

    return card(report.model.name) if report.model.name in list_models() else None


def _weights(
    path: Path, report: Report, weights: Path | None, strip_prefix: str | None
) -> Iterator[str]:
    """Of the named file, else of the model's own on this machine if it was one of those."""
    from zoo.cli.verify_weights import compared
    from zoo.weights.find import local_weights

    if weights is None and report.model.source in {"bundled", "store", "hub"}:
        info = _card(report)
        local = local_weights(info) if info else None
        weights = local.path if local else None
    if weights is None:
        echo(f"the weights of {plain(report.model.name)} are not here: only their digest agrees")
        return
    try:
        echo(compared(path, report, weights, strip_prefix))
    except WeightsMismatch as error:
        yield f"weights: {error}"


def _data(report: Report, data_dir: Path | None, classes: Path | None) -> Iterator[str]:
    """Of the pictures that are here: digits always, others where somebody says where they lie."""
    from zoo.pictures import images

    info, data = _card(report), report.data
    if info is None or (data_dir is None and data.name != "digits"):
        echo(f"the pictures of {plain(data.name)} were not looked at: only their digests agree")
        return
    here = images(
        info,
        data=data.name.removesuffix("-partial"),
        data_dir=data_dir,
        classes=classes,
        allow_partial=data.name.endswith("-partial"),
        ids=report.images.ids,
    )
    if (got := here.pixels_sha256()) != data.pixels_sha256:
        yield f"data: the pixels_sha256 is {got[:12]} here, the report's {data.pixels_sha256[:12]}"
        return
    echo(f"the {data.n} pictures of {plain(data.name)} here have the pixels that were measured")


def _signed(
    found: Attestation, public_key: Path | None, identity: str | None, issuer: str | None
) -> str | SatZooError:
    """Who signed it, as a sentence, or why nobody who is trusted did."""
    from zoo.attest.keyless import verify_keyless
    from zoo.attest.keys import verified_by

    try:
        if public_key is not None:
            return f"signed by the key {verified_by(found, public_key)[:12]} of {public_key}"
        if identity is not None and issuer is not None:
            verify_keyless(found, identity=identity, issuer=issuer)
            return f"signed through sigstore by {plain(identity)} of {plain(issuer)}"
    except ReportError as error:
        return error
    return _untrusted(found)


def _untrusted(found: Attestation) -> ReportError:
    if not found.signatures:
        return ReportError(
            "NOT SIGNED: anybody can have written it, whatever agrees; ask for a signed one"
        )
    if found.bundle is not None:
        return ReportError(
            "NOT CHECKED: it claims to be signed through sigstore; say by whom with --identity NAME"
            " --issuer URL"
        )
    claimed = ", ".join(plain(one.keyid, 12) or "without a name" for one in found.signatures)
    return ReportError(
        f"NOT CHECKED: it claims the key {claimed}, and nobody said which to trust: name it with"
        " --public-key FILE"
    )
