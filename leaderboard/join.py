"""From reports, cards and published entries to rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from eval.files.paths import AnyPath, path_of
from eval.fingerprint import fingerprint
from eval.protocols import protocol
from eval.report.percent import percent
from eval.report.report import Accuracy, Flag, Report
from leaderboard.bundled import bundled_digest, card_of, known_card
from leaderboard.claims import checks
from leaderboard.columns import CLEAN, UNPUBLISHED
from leaderboard.flagged import flags_of
from leaderboard.folders import result_folders
from leaderboard.lists import Lists, kept_in
from leaderboard.names import activation, architecture, architecture_of
from leaderboard.numbers import Claimed, Measured, Number
from leaderboard.origins import TRUSTED, Who, measured_by
from leaderboard.places import Place, full, place_of_published, places_of_reports, same_eps, slug
from leaderboard.published import NOT_STATED, Published, published
from leaderboard.results import Refused, StoredReport, read_results
from leaderboard.rows import BoardRow
from zoo.cards import Claim, ModelCard
from zoo.registry import card, own_models


@dataclass(frozen=True)
class Joined:
    """The rows of every table, by its place, and the files that could not be used."""

    rows: Mapping[Place, Sequence[BoardRow]]
    refused: tuple[Refused, ...]


def join(results: AnyPath | Sequence[AnyPath] | None) -> Joined:
    """One row for each model and table: from Reports, from cards, from published numbers.

    results: as of `read_results`. Raises `UsageError` for a path that does not exist.
    """
    found, lists = read_results(results), kept_in(_folders(results))
    stored = _placed(found.stored, lists)
    rows: dict[Place, list[BoardRow]] = defaultdict(list)
    for place, row in (
        *_measured(stored),
        *_only_claimed(stored),
        *_published(published()),
    ):
        rows[place].append(row)
    broken = tuple(Refused(path, reason) for path, reason in lists.refused)
    return Joined(rows, (*found.refused, *broken))


Placed = Sequence[tuple[Place, StoredReport]]


def _folders(results: AnyPath | Sequence[AnyPath] | None) -> list[Path]:
    """Where lists may lie beside the Reports."""
    given = [results] if isinstance(results, str | PathLike) else results
    paths = result_folders() if given is None else [path_of(one, "results") for one in given]
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def _placed(stored: Sequence[StoredReport], lists: Lists) -> Placed:
    reports = [(one.report, one.origin.who == "project") for one in stored]
    return list(zip(places_of_reports(reports, lists.lists), stored, strict=True))


def _measured(stored: Placed) -> Iterable[tuple[Place, BoardRow]]:
    """Rows by place, weights and who measured: nobody's number stands in a row of another's.

    The name is that of the model alone where the first of `TRUSTED` that has a row here measured;
    the others' says who did.
    """
    names = _shown_names(Model.of(one.report) for _, one in stored)
    groups: dict[tuple[Place, Model, Who], list[StoredReport]] = defaultdict(list)
    for place, one in stored:
        groups[place, Model.of(one.report), one.origin.who].append(one)
    for (place, model, who), found in groups.items():
        first = next(it for it in TRUSTED if (place, model, it) in groups)
        name = names[model] if who == first else f"{names[model]} ({measured_by(who)})"
        yield place, _measured_row(found, name, place.eps)


def _only_claimed(stored: Placed) -> Iterable[tuple[Place, BoardRow]]:
    """Cards that have no report on the whole test set, which is what their claims are about."""
    places = {(place, one.report.model.name) for place, one in stored}
    measured = {name for _, name in places}
    for info in map(card, own_models()):
        if info.threat is None:
            continue
        eps = same_eps(info.threat.eps)
        place = Place(info.dataset, info.threat.norm, eps, full(info.dataset))
        row = _card_row(info)
        if (place, info.name) not in places and (row.claimed or info.name not in measured):
            yield place, row


def _published(entries: Iterable[Published]) -> Iterable[tuple[Place, BoardRow]]:
    groups: dict[tuple[Place, str], list[Published]] = defaultdict(list)
    for entry in entries:
        groups[place_of_published(entry), entry.model].append(entry)
    for (place, _), found in groups.items():
        yield place, _published_row(found)


@dataclass(frozen=True)
class Model:
    """Who a report is about: a name and the digest of its weights, since names can be reused."""

    name: str
    weights_sha256: str

    @classmethod
    def of(cls, report: Report) -> Model:
        """The model of a report."""
        return cls(report.model.name, report.model.weights_sha256)


def _shown_names(models: Iterable[Model]) -> dict[Model, str]:
    """What tables call each model: its name, with the weights' digest where two share it.

    The weights that the package bundles keep the bare name.
    """
    by_name: dict[str, set[Model]] = defaultdict(set)
    for model in models:
        by_name[model.name].add(model)
    shown: dict[Model, str] = {}
    for name, same in by_name.items():
        info = known_card(name)
        bundled = bundled_digest(info) if info else None
        for model in same:
            is_plain = model.weights_sha256 == bundled or (bundled is None and len(same) == 1)
            shown[model] = name if is_plain else f"{name} (weights {model.weights_sha256[:8]})"
    return shown


def _measured_row(found: Sequence[StoredReport], name: str, eps: str) -> BoardRow:
    """The row of one model from its reports on one board."""
    # The lowest seed counts, so that nobody picks the luckiest; of equal ones, the newest. An
    # estimate stands only where nothing is exact.
    newest = sorted(found, key=lambda one: one.report.created, reverse=True)
    ordered = sorted(newest, key=_precedence)
    robust: dict[str, Measured] = {}
    for one in ordered:
        if one.report.robust is not None:
            robust.setdefault(one.column, _share(one, one.report.robust))
    report = ordered[0].report
    info = card_of(report)
    row = BoardRow(
        key="",
        model_key=slug(name),
        model=name,
        card=info,
        reports=tuple(one.report for one in ordered),
        report_paths=tuple(one.path for one in ordered),
        architecture=architecture_of(info) if info else None,
        activation=activation(info.activation) if info else None,
        parameters=report.model.parameters,
        flops=info.flops if info else None,
        clean=_share(ordered[0], ordered[0].report.clean),
        robust=robust,
        claimed=_claims_of(info, report.threat.norm, eps) if info else {},
        flags=flags_of(one.report for one in ordered),
    )
    return replace(row, checks=checks(row))


def _precedence(one: StoredReport) -> tuple[str, bool, int]:
    report = one.report
    return report.engine.name, report.estimate is not None, report.seed


def _share(one: StoredReport, share: Accuracy) -> Measured:
    """`share`, the clean or the robust accuracy of a report, as tables hold it."""
    part = one.report.estimate
    full_run = part.full_run if part else None
    return Measured.of(share, one.report, one.path, full_run, one.origin)


def _card_row(info: ModelCard) -> BoardRow:
    """The row of a model that we have not measured: only what is claimed of it."""
    claims = _claims_of(info, info.threat.norm, info.threat.eps) if info.threat else {}
    return BoardRow(
        key="",
        model_key=slug(info.name),
        model=info.name,
        card=info,
        architecture=architecture_of(info),
        activation=activation(info.activation),
        parameters=info.parameters,
        flops=info.flops,
        claimed=claims,
        excluded=None if claims else "not measured yet, and nothing is published for it",
    )


def _claims_of(info: ModelCard, norm: str, eps: str) -> dict[str, Claimed]:
    """What is claimed of a model under one threat model, and its clean accuracy, by column.

    Where two sources claim something for one protocol, the first stands and its note the other.
    """
    found: dict[str, Claimed] = {}
    for claim in info.claims:
        threat = claim.threat
        if threat is None or (threat.norm, same_eps(threat.eps)) == (norm, same_eps(eps)):
            old = found.get(claim.protocol)
            found[claim.protocol] = _also(old, claim) if old else _of_card(claim)
    return found


def _of_card(claim: Claim) -> Claimed:
    run_as = claim.run_as
    return Claimed(
        claim.accuracy,
        source=claim.source,
        note=claim.note,
        run_as=run_as,
        fingerprint=fingerprint(protocol(run_as).stages) if run_as else None,
    )


def _also(first: Claimed, second: Claim) -> Claimed:
    other = f"also {percent(second.accuracy)} % ({second.source})"
    return replace(first, note=f"{first.note}; {other}" if first.note else other)


def _published_row(entries: Sequence[Published]) -> BoardRow:
    """The row of one published model from all entries about it on one board."""
    columns: dict[str, dict[str, Claimed]] = {"claimed": {}, "third-party": {}}
    for entry in entries:
        here = columns[entry.kind]
        if entry.clean is not None:
            here.setdefault(CLEAN, _claimed(entry, entry.clean))
        if entry.robust is not None:
            found = _claimed(entry, entry.robust, entry.best_known)
            here.setdefault(_column(entry), replace(found, fingerprint=entry.fingerprint))
    # RobustBench is a third party, whose entry also repeats the paper's own number.
    main = min(entries, key=lambda entry: entry.kind != "third-party")
    if main.reported is not None:
        note = "by the paper itself, whose attack the entry does not name"
        said = Claimed(main.reported, source=main.source, note=note)
        columns["claimed"].setdefault(NOT_STATED, said)
    return BoardRow(
        key="",
        model_key=slug(main.model),
        model=main.model,
        published=main,
        architecture=architecture(main.architecture),
        activation=activation(main.activation),
        parameters=main.parameters,
        extra_data=main.extra_data,
        claimed=columns["claimed"],
        third_party=columns["third-party"],
        flags=_doubts(main),
        excluded=_why_excluded(main),
    )


def _column(entry: Published) -> str:
    """Apart from numbers that are ranked where a third party does not say what it ran."""
    if entry.kind == "claimed" or entry.fingerprint or entry.protocol == NOT_STATED:
        return entry.protocol
    return f"{entry.protocol}{UNPUBLISHED}"


def _why_excluded(entry: Published) -> str | None:
    if entry.excluded is not None:
        return entry.excluded
    return "its source does not state eps" if entry.eps == NOT_STATED else None


def _claimed(entry: Published, accuracy: float, best_known: float | None = None) -> Claimed:
    n, is_lower = entry.subset, best_known is not None and best_known < accuracy
    return Claimed(
        accuracy,
        n,
        source=entry.source,
        note=entry.note,
        best_known=Number(best_known, n) if is_lower and best_known is not None else None,
        by_authors=is_lower and entry.best_known_by == "authors",
    )


def _doubts(entry: Published) -> tuple[Flag, ...]:
    if not entry.unreliable:
        return ()
    detail = "RobustBench marks AutoAttack as unreliable for this model"
    return (Flag(code="unreliable", detail=detail),)
