"""Where a number stands: data set, norm, eps and choice of images, which are never mixed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from eval.radius import parse, text_of
from eval.report.known import FULL, official_ids
from eval.report.report import Report
from leaderboard.published import NOT_STATED, Published

_SPLITS = ("test", "val", "validation")


def same_eps(eps: str) -> str:
    """One text for one radius: "16/510", "8/255" and " 8 / 255" are "8/255", "0.031" stays.

    A text that is no number, or that `eval.radius` does not take for one, is "not stated".
    """
    try:
        return text_of(parse(eps))
    except ValueError:
        return NOT_STATED


def slug(text: str) -> str:
    """`text` in [a-z0-9-], for names of files and parts of addresses; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80].strip("-") or "unnamed"


def unique(wanted: str, identity: str, taken: set[str]) -> str:
    """`wanted`, or with a piece of the digest of `identity` if it is taken; then it is taken."""
    key = wanted
    if key in taken:
        key = f"{wanted}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    taken.add(key)
    return key


@dataclass(frozen=True)
class Subset:
    """A choice of images: key is url-safe, text is for people."""

    key: str
    text: str


NOT_COUNTED = Subset("not-stated", "images not stated")


@dataclass(frozen=True)
class Place:
    """What all numbers of one table have in common; eps as `same_eps` writes it."""

    dataset: str
    norm: str
    eps: str
    subset: Subset


def place_of_report(report: Report) -> Place:
    """Where the numbers of a report stand."""
    eps = same_eps(report.threat.eps_text)
    return Place(report.data.name, report.threat.norm, eps, subset_of_report(report))


def place_of_published(entry: Published) -> Place:
    """Where a published number stands."""
    return Place(entry.dataset, entry.norm, same_eps(entry.eps), subset_of_published(entry))


def subset_of_report(report: Report) -> Subset:
    """The images of a report: the whole test set, its first n, or those with these ids."""
    data, n = report.data, f"{report.data.n:,}"
    digest = data.ids_sha256[:8]
    split = "" if data.split in _SPLITS else f"{slug(data.split)}-"
    if split:
        return Subset(f"{split}{data.n}-{digest}", f"{n} images of split {data.split}")
    if not _is_in_order(report):
        return Subset(f"{data.n}-{digest}", f"{n} chosen images, digest of ids {digest}")
    if data.n == FULL.get(data.name):
        return full(data.name)
    return Subset(f"first-{data.n}", f"the first {n} images")


def _is_in_order(report: Report) -> bool:
    """The first n images; a lossy copy is never official, but its images may be in that order."""
    data = report.data
    is_copy = data.name == "cifar10-jpeg"
    return data.official_subset or (
        is_copy and list(report.images.ids) == official_ids(data.name, data.n)
    )


def full(dataset: str) -> Subset:
    """The whole test set."""
    return Subset("full", f"all {FULL[dataset]:,} images" if dataset in FULL else "all images")


def subset_of_published(entry: Published) -> Subset:
    """The images of a published number; two sources that drew some by themselves never meet."""
    if entry.subset is None:
        return NOT_COUNTED
    if entry.subset == FULL.get(entry.dataset):
        return full(entry.dataset)
    whose = entry.subset_of or entry.source
    return Subset(f"{entry.subset}-{slug(whose)}", f"{entry.subset:,} images, {whose}")
