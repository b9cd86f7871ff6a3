"""`sat-zoo verify NAME`: the evidence of a model, shown to its weights again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import DataError, ReportError, SatZooError, WeightsMismatch
from eval.files.border import plain
from eval.official import check_images
from eval.report.known import check_protocol
from eval.report.percent import percent
from eval.report.words import attack_of
from zoo.cli.shared.console import echo, say
from zoo.hub.name import Commit

if TYPE_CHECKING:
    from eval.data import ImageSet
    from eval.evidence.replay import Replayed
    from eval.report.report import Report
    from zoo.evidence.places import EvidenceFile
    from zoo.model import ZooModel
    from zoo.wanted import Wanted


def verify_model(
    model: Wanted, *, data_dir: Path | None, classes: Path | None, batch_size: int, device: str
) -> None:
    """Replay every piece of evidence of `model`, a sentence each.

    Raises `WeightsUnavailable` if weights or evidence are not here, `ReportError` if there is none,
    and what was found wrong, after all have been looked at.
    """
    from zoo.loading import load_wanted

    name = model.card.name
    pieces = _pieces(model)
    if not pieces:
        raise ReportError(
            f"{plain(name)} has no evidence here, and none is pinned: fetch what its repository has"
            f" with sat-zoo pull {plain(name)} --evidence, or verify a file of adversarial images"
        )
    network = load_wanted(model, device=device)
    faults: list[SatZooError] = []
    for piece in pieces:
        try:
            echo(_replayed(piece, network, data_dir, classes, batch_size, device))
        except (ReportError, DataError, WeightsMismatch) as error:
            faults.append(type(error)(f"{piece.name}: {error}"))
    if len(faults) > 1:
        for fault in faults:
            say(str(fault))
        raise ReportError(f"{len(faults)} of {len(pieces)} files of evidence do not hold")
    if faults:
        raise faults[0]


def _pieces(model: Wanted) -> tuple[EvidenceFile, ...]:
    from zoo.evidence.places import bundled_evidence, fetched_evidence, pulled_evidence

    if isinstance(model.weights, Commit):
        return fetched_evidence(model.weights)
    return bundled_evidence(model.card) + pulled_evidence(model.card.name)


def _replayed(
    piece: EvidenceFile,
    network: ZooModel,
    data_dir: Path | None,
    classes: Path | None,
    batch_size: int,
    device: str,
) -> str:
    from eval.evidence.file import read_evidence
    from eval.evidence.replay import replay
    from zoo.evidence.places import check_report

    evidence = read_evidence(piece.path)
    report = evidence.images.report
    check_report(piece, report)
    check_protocol(report)
    check_images(report)
    data = _data(report, network, data_dir, classes)
    done = replay(evidence, network, data, batch_size=batch_size, device=device)
    return f"{piece.name}: {_sentence(done, has_base=evidence.x is not None or data is not None)}"


def _data(
    report: Report, network: ZooModel, data_dir: Path | None, classes: Path | None
) -> ImageSet | None:
    """The images of the Report; None where they are not here and nobody said that they are."""
    from eval.data.locate import DataMissing, FolderMissing
    from zoo.publish.evidence import data_of

    try:
        return data_of(report, network.card, data_dir, classes)
    except (DataMissing, FolderMissing):
        if data_dir is not None:
            raise
    return None


def _sentence(done: Replayed, *, has_base: bool) -> str:
    report, n = done.report, done.report.data.n
    said = report.robust.correct if report.robust else report.clean.correct
    agrees = "as its Report says" if done.n_robust == said else f"its Report says {said}"
    where = f"inside {report.threat.norm} {plain(report.threat.eps_text)} and [0, 1]"
    if not has_base:
        where = "inside [0, 1]"
    text = (
        f"at most {done.n_robust} of {n} images of {plain(report.data.name)}"
        f" ({plain(report.data.split)}) are robust, {percent(done.bound)} %, {agrees}:"
        f" {plain(attack_of(report))} broke {done.n_broken}, and each of these lies {where} and"
        f" fools these weights, {report.survive_8bit.broken_after_rounding} of them in 8 bits too"
    )
    if not done.unconfirmed:
        n_wrong = report.images.verdicts.count("clean")
        text += f"; {n_wrong} are wrong without an attack, and {n - n_wrong} are not"
    text += f"; {done.n_forwards} forward passes in {done.seconds:.1f} s"
    if done.unconfirmed:
        text += f"; not confirmed: {'; '.join(done.unconfirmed)}"
    return text
