"""How accurate each model is, in two numbers: measured by us where we did, else as claimed.

The zoo knows no results. Whoever keeps some registers a function for the entry-point group
`sat_zoo.measured` in its pyproject.toml, as the leaderboard does, which gets cards and returns an
`Accuracies` for the name of each model that it has measured. No torch here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from sat_zoo import PACKAGES, shadow
from zoo.cards import Claim, ModelCard

GROUP = "sat_zoo.measured"


@dataclass(frozen=True)
class KnownAccuracy:
    """One accuracy of a model, a fraction in [0, 1], and whose it is.

    attack: "clean", "AutoAttack", "PGD-50". is_claimed: by somebody else, not measured by us.
    source: the file of the Report, or what a card says of a claim. flags: codes of the Report's.
    n, n_whole: the images of the Report, and those of the whole test set; None of a claim.
    measured_by: who made the Report, "project" for us, "submitter" or "unknown"; None of a claim.
    fingerprint: of the protocol, see `eval.fingerprint`; None of a claim and of clean accuracy.
    """

    accuracy: float
    attack: str
    is_claimed: bool
    source: str
    flags: tuple[str, ...] = ()
    n: int | None = None
    n_whole: int | None = None
    measured_by: str | None = None
    fingerprint: str | None = None

    @property
    def is_of_part(self) -> bool:
        """Whether we measured it on fewer images than the test set has."""
        return self.n is not None and self.n != self.n_whole


@dataclass(frozen=True)
class Accuracies:
    """The clean accuracy of a model, and that under the strongest attack on its own threat model.

    None: neither measured nor claimed.
    """

    clean: KnownAccuracy | None = None
    robust: KnownAccuracy | None = None


Provider = Callable[[Sequence[ModelCard]], Mapping[str, Accuracies]]


def accuracies(cards: Sequence[ModelCard]) -> dict[str, Accuracies]:
    """What is known of each of these models, by name: measured numbers before claimed ones."""
    measured: dict[str, Accuracies] = {}
    for provide in _providers():
        measured = {**provide(cards), **measured}
    found = {}
    for info in cards:
        ours = measured.get(info.name, Accuracies())
        found[info.name] = Accuracies(ours.clean or _clean(info), ours.robust or _robust(info))
    return found


def strength(protocol: str) -> int:
    """How strong an attack is that a card or a Report names so; 0: none that stands in lists.

    AutoAttack before PGD, and of that the one with most steps. Versions do not count.
    """
    name = protocol.partition("@")[0]
    if name in {"autoattack", "autoattack-standard"}:
        return 10**9
    steps = re.fullmatch(r"pgd-(\d{1,8})", name)
    return int(steps[1]) if steps else 0


def attack_name(protocol: str) -> str:
    """As tables call it: "AutoAttack", "PGD-50"."""
    name = protocol.partition("@")[0]
    return "AutoAttack" if name.startswith("autoattack") else name.replace("pgd-", "PGD-")


def _providers() -> Iterator[Provider]:
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        package = entry.module.partition(".")[0]
        if package in PACKAGES and shadow(package):
            continue  # a file of the user's with that name, which is not to be run
        yield entry.load()


def _clean(info: ModelCard) -> KnownAccuracy | None:
    for claim in info.claims:
        if claim.protocol == "clean":
            return _claimed(claim)
    return None


def _robust(info: ModelCard) -> KnownAccuracy | None:
    known = [c for c in info.claims if c.threat == info.threat and strength(c.protocol)]
    best = max(known, key=lambda claim: strength(claim.protocol), default=None)
    return _claimed(best) if best is not None and info.threat is not None else None


def _claimed(claim: Claim) -> KnownAccuracy:
    return KnownAccuracy(claim.accuracy, attack_name(claim.protocol), True, claim.source)
