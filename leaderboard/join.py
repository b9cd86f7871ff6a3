"""From reports, cards and published entries to rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.files.paths import AnyPath
from eval.intervals import wilson
from eval.report.flag_codes import OF_THE_PROTOCOL
from eval.report.percent import percent
from eval.report.report import Accuracy, Flag, Report
from leaderboard.bundled import bundled_digest, known_card
from leaderboard.claims import checks
from leaderboard.columns import CLEAN
from leaderboard.names import activation, architecture, architecture_of
from leaderboard.places import Place, full, place_of_published, place_of_report, same_eps, slug
from leaderboard.published import NOT_STATED, Published, published
from leaderboard.results import Refused, StoredReport, read_results
from leaderboard.rows import BoardRow, Claimed, Measured
from zoo.cards import Claim, ModelCard
from zoo.registry import card, list_models


@dataclass(frozen=True)
class Joined:
    """The rows of every table, by its place, and the files that could not be used."""

    rows: Mapping[Place, Sequence[BoardRow]]
    refused: tuple[Refused, ...]


def join(results: AnyPath | Sequence[AnyPath] | None) -> Joined:
    """One row for each model and table: from Reports, from cards, from published numbers.

    results: as of `read_results`. Raises `UsageError` for a path that does not exist.
    """
    found = read_results(results)
    rows: dict[Place, list[BoardRow]] = defaultdict(list)
    for place, row in (
        *_measured(found.stored),
        *_only_claimed(found.stored),
        *_published(published()),
    ):
        rows[place].append(row)
    return Joined(rows, found.refused)


def _measured(stored: Sequence[StoredReport]) -> Iterable[tuple[Place, BoardRow]]:
    names = _shown_names(Model.of(one.report) for one in stored)
    groups: dict[tuple[Place, Model], list[StoredReport]] = defaultdict(list)
    for one in stored:
        groups[place_of_report(one.report), Model.of(one.report)].append(one)
    for (place, model), found in groups.items():
        yield place, _measured_row(found, names[model], place.eps)


def _only_claimed(stored: Sequence[StoredReport]) -> Iterable[tuple[Place, BoardRow]]:
    """Cards that have no report on the whole test set, which is what their claims are about."""
    places = {(place_of_report(one.report), one.report.model.name) for one in stored}
    measured = {name for _, name in places}
    for info in map(card, list_models()):
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
    # estimate stands only where there is no exact number.
    newest = sorted(found, key=lambda one: one.report.created, reverse=True)
    ordered = sorted(newest, key=lambda one: _precedence(one.report))
    robust: dict[str, Measured] = {}
    for one in ordered:
        if one.report.robust is not None:
            robust.setdefault(one.column, _share(one, one.report.robust))
    report = ordered[0].report
    info = known_card(report.model.name)
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
        flags=_flags(one.report for one in ordered),
    )
    return replace(row, checks=checks(row))


def _precedence(report: Report) -> tuple[str, bool, int]:
    return report.engine.name, report.estimate is not None, report.seed


def _share(one: StoredReport, share: Accuracy) -> Measured:
    """`share`, the clean or the robust accuracy of a report, as tables hold it."""
    part = one.report.estimate
    return Measured.of(share, one.report, one.path, part.full_run if part else None)


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
    return Claimed(claim.accuracy, claim.source, claim.note, run_as=claim.run_as)


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
            here.setdefault(entry.protocol, _claimed(entry, entry.robust, entry.best_known))
    # RobustBench is a third party, whose entry also repeats the paper's own number.
    main = min(entries, key=lambda entry: entry.kind != "third-party")
    if main.reported is not None:
        note = "by the paper itself, whose attack the entry does not name"
        columns["claimed"].setdefault(NOT_STATED, Claimed(main.reported, main.source, note))
    return BoardRow(
        key="",
        model_key=slug(main.model),
        model=main.model,
        published=main,
        architecture=architecture(main.architecture),
        activation=activation(main.activation),
        extra_data=main.extra_data,
        claimed=columns["claimed"],
        third_party=columns["third-party"],
        flags=_doubts(main),
        excluded=_why_excluded(main),
    )


def _why_excluded(entry: Published) -> str | None:
    if entry.excluded is not None:
        return entry.excluded
    return "its source does not state eps" if entry.eps == NOT_STATED else None


def _claimed(entry: Published, accuracy: float, best_known: float | None = None) -> Claimed:
    claimed = Claimed(accuracy, entry.source, entry.note, entry.subset, best_known=best_known)
    if entry.subset is None:
        return claimed
    low, high = wilson(round(claimed.believed * entry.subset), entry.subset)
    return replace(claimed, low=low, high=high)


def _doubts(entry: Published) -> tuple[Flag, ...]:
    if not entry.unreliable:
        return ()
    detail = "RobustBench marks AutoAttack as unreliable for this model"
    return (Flag(code="unreliable", detail=detail),)


def _flags(reports: Iterable[Report]) -> tuple[Flag, ...]:
    """What is flagged of the model; of a protocol, the heading of its column says it."""
    flags = (flag for report in reports for flag in report.flags)
    return tuple(dict.fromkeys(flag for flag in flags if flag.code not in OF_THE_PROTOCOL))
