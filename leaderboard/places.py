"""Where a number stands: data set, norm, eps and choice of images, which are never mixed."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.radius import parse, text_of
from eval.report.known import FULL, official_ids
from eval.report.report import Report
from leaderboard import lists as lists_of_images
from leaderboard.lists import ROBUSTBENCH, ImageList, digest_of, kept_in
from leaderboard.published import NOT_STATED, Published

_PREPARED = frozenset({"imagenet", "imagenet-partial"})
"""Pictures that every model sees in its own size, so that equal ones differ in their pixels."""

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


def places_of_reports(
    reports: Sequence[tuple[Report, bool]], lists: Mapping[tuple[str, str], ImageList]
) -> list[Place]:
    """Where the numbers of each report stand, all reports of a leaderboard seen together.

    reports: each with whether it comes with the package. lists: see `leaderboard.lists.kept_in`.

    Reports of equal ids but other pixels or labels never share a place. One kind of them has the
    place that published numbers may share: that of the package's reports, or the only one; of
    several that only strangers vouch for, none. Of ImageNet the pixels may differ, since each
    model sees the pictures resized in its own way; ids and labels say which pictures they are.
    """
    subsets = [subset_of_report(report, lists) for report, _ in reports]
    kinds = [_kind(report) for report, _ in reports]
    seen: dict[tuple[str, Subset], dict[str, bool]] = defaultdict(dict)
    for (report, is_ours), subset, kind in zip(reports, subsets, kinds, strict=True):
        here = seen[report.data.name, subset]
        here[kind] = here.get(kind, False) or is_ours
    places = []
    for (report, _), subset, kind in zip(reports, subsets, kinds, strict=True):
        here = seen[report.data.name, subset]
        known = [one for one, is_ours in here.items() if is_ours] or list(here)
        where = subset if known == [kind] else _apart(subset, kind)
        eps = same_eps(report.threat.eps_text)
        places.append(Place(report.data.name, report.threat.norm, eps, where))
    return places


def _apart(subset: Subset, kind: str) -> Subset:
    return Subset(
        f"{subset.key}-other-{kind[:16]}",
        f"{subset.text}, with other pixels, labels or order: digest {kind[:8]}",
    )


def _kind(report: Report) -> str:
    """Digest of what was evaluated: of ids and labels, and of the pixels where they can agree."""
    data = report.data
    labelled = sorted(zip(report.images.ids, report.images.labels, strict=True))
    pixels = None if data.name in _PREPARED else (data.ids_sha256, data.pixels_sha256)
    return hashlib.sha256(json.dumps([labelled, pixels]).encode()).hexdigest()


def place_of_published(entry: Published) -> Place:
    """Where a published number stands."""
    return Place(entry.dataset, entry.norm, same_eps(entry.eps), subset_of_published(entry))


def subset_of_report(
    report: Report, lists: Mapping[tuple[str, str], ImageList] | None = None
) -> Subset:
    """The images of a report: the whole test set, its first n, a list that is known, or others.

    lists: by data set and digest; None: those that are known without having been given.
    """
    data, n = report.data, f"{report.data.n:,}"
    split = "" if data.split in _SPLITS else f"{slug(data.split)}-"
    if not split and _is_in_order(report):
        if data.n == FULL.get(data.name):
            return full(data.name)
        return Subset(f"first-{data.n}", f"the first {n} images")
    # A list is known by its sorted ids. Of other pictures than ImageNet's the pixels count too, and
    # their digest is of one order.
    of_list = digest_of(report.images.ids)
    named = (kept_in(()).lists if lists is None else lists).get((data.name, of_list))
    digest = of_list if data.name in _PREPARED else data.ids_sha256
    of_split = f" of split {data.split}" if split else ""
    if named in lists_of_images.KNOWN and not split:
        return _drawn_by(named.n, named.name)
    if named is not None:
        key = f"{split}{data.n}-{slug(named.name)}-{digest[:8]}"
        whose = f"list {named.name}, digest of ids {digest[:8]}"
        return Subset(key, f"{n} images{of_split}, {whose}")
    if split:
        return Subset(f"{split}{data.n}-{digest[:8]}", f"{n} images{of_split}")
    return Subset(f"{data.n}-{digest[:8]}", f"{n} chosen images, digest of ids {digest[:8]}")


def _is_in_order(report: Report) -> bool:
    """The first n images; a lossy copy is never official, but its images may be in that order.

    Of a data set whose order nobody here knows, the Report's own word proves nothing.
    """
    data = report.data
    if not data.official_subset and data.name != "cifar10-jpeg":
        return False
    official = official_ids(data.name, data.n)
    # Of digits, whose ids are not known here, `eval.official` has compared them with the pictures.
    return data.name == "digits" if official is None else list(report.images.ids) == official


def full(dataset: str) -> Subset:
    """The whole test set."""
    return Subset("full", f"all {FULL[dataset]:,} images" if dataset in FULL else "all images")


def subset_of_published(entry: Published) -> Subset:
    """The images of a published number; two sources that drew some by themselves never meet."""
    if entry.subset is None:
        return NOT_COUNTED
    if entry.subset == FULL.get(entry.dataset):
        return full(entry.dataset)
    return _drawn_by(entry.subset, entry.subset_of or entry.source)


def _drawn_by(n: int, whose: str) -> Subset:
    return Subset(f"{n}-{slug(whose)}", f"{n:,} images, {whose}")


ROBUSTBENCH_SUBSET = _drawn_by(ROBUSTBENCH.n, ROBUSTBENCH.name)
"""Where published rows and Reports of these images meet."""

HOW_TO_NAME = "sat-zoo leaderboard add REPORT --ids FILE"
"""What gives the images of a Report the name of their list."""


def is_unnamed(subset_key: str) -> bool:
    """Whether these images are a choice that has no name but the digest of its ids."""
    return (
        re.fullmatch(r"(?:[a-z0-9-]+-)?\d+-[0-9a-f]{8}(?:-other-[0-9a-f]{16})?", subset_key)
        is not None
    )
