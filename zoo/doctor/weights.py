"""Which models have weights here, from where, and how the others get theirs."""

from __future__ import annotations

from collections.abc import Iterator

from eval.errors import SatZooError
from zoo.cards import ModelCard
from zoo.doctor.findings import Line, Mark, halves, size
from zoo.doctor.job import DEFAULT_MODEL
from zoo.hub.pins import pin_of
from zoo.registry import card, list_models
from zoo.weights.file import REPAIR, Found, load_file
from zoo.weights.find import local_weights

N_NAMED = 3
LARGE = 10**8
"""Bytes above which a file is not read through here; loading it does that."""


def lines() -> Iterator[Line]:
    """One line a model that has weights here, then one for each reason why others have none."""
    absent: dict[tuple[Mark, str, str], list[str]] = {}
    for info in map(card, list_models()):
        try:
            found = local_weights(info)
            if found is None:
                absent.setdefault(("missing", "no weights here", _way(info)), []).append(info.name)
            else:
                yield _present(info, found)
        except (SatZooError, OSError) as problem:
            absent.setdefault(("broken", *halves(problem)), []).append(info.name)
    for (mark, says, fix), names in sorted(absent.items(), key=lambda group: -len(group[1])):
        more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
        yield Line(
            name=f"{len(names)} models" if len(names) > 1 else names[0],
            mark=mark,
            says=f"{says}: {', '.join(names[:N_NAMED])}{more}",
            fix=fix,
            needed=DEFAULT_MODEL in names,
            facts={"models": tuple(names)},
        )


def _present(info: ModelCard, found: Found) -> Line:
    needed = info.name == DEFAULT_MODEL
    n_bytes = found.path.stat().st_size
    says = f"{found.source}, {size(n_bytes)}"
    facts = {"source": found.source, "path": str(found.path), "bytes": n_bytes}
    if found.sha256 is None or n_bytes > LARGE:
        return Line(name=info.name, mark="ok", says=says, needed=needed, facts=facts)
    got = load_file(found.path).sha256
    if got == found.sha256:
        says = f"{says}, sha256 as promised"
        return Line(name=info.name, mark="ok", says=says, needed=needed, facts=facts)
    return Line(
        name=info.name,
        mark="broken",
        says=f"{found.path} has sha256 {got[:12]}, not {found.sha256[:12]} as promised",
        fix=REPAIR[found.source],
        needed=needed,
        facts=facts,
    )


def _way(info: ModelCard) -> str:
    if pin_of(info.name) is not None:
        return "fetch them from the Hub: sat-zoo pull NAME"
    if info.official is not None:
        return "fetch the official release: sat-zoo pull NAME"
    if info.recipe is not None:
        return "train one: sat-zoo train NAME, then eval NAME --weights FILE"
    return "nobody published them; eval NAME --weights FILE takes yours"
