"""What our Reports say of the zoo's models, for lists: registered as `sat_zoo.measured`.

A list must appear at once, so the package's Reports, whose totals the tests recompute, are read as
plain JSON; the user's own are checked first, like those of any table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eval.errors import ReportError
from eval.fingerprint import fingerprint
from eval.radius import parse
from eval.report.known import FULL
from eval.stage import Stage
from leaderboard.folders import RESULTS, own_results
from leaderboard.origins import Who, indexed
from zoo.accuracies import Accuracies, KnownAccuracy, attack_name, strength
from zoo.cards import ModelCard


def measured(cards: Sequence[ModelCard]) -> Mapping[str, Accuracies]:
    """The accuracies of those of these models that we measured, by name.

    Both numbers come from one Report: exact, on the official pictures of the card's data set and
    its threat model, by the weights that the package bundles where it does. Of several the
    strongest attack counts, then our own engine, then most images, then the lowest seed.
    """
    known = {info.name: info for info in cards}
    best: dict[str, tuple[tuple[int, ...], Accuracies]] = {}
    for name, who, content in _reports():
        info = known.get(content["model"]["name"])
        if info is None or not _is_of(content, info):
            continue
        order, found = _order(content), _accuracies(name, content, who)
        if info.name not in best or order > best[info.name][0]:
            best[info.name] = order, found
    return {name: found for name, (_, found) in best.items()}


def _reports() -> Iterator[tuple[str, Who, dict[str, Any]]]:
    """File names, who measured, and contents, the package's Reports first."""
    ours = indexed()["project"]  # whose contents the tests compare with it
    for path in sorted(RESULTS.glob("*.json")):
        who: Who = "project" if path.name in ours else "submitter"
        yield path.name, who, json.loads(path.read_bytes())
    for path in sorted(own_results().glob("*.json")):
        from leaderboard.results import read_report

        try:
            yield path.name, "unknown", json.loads(read_report(path).to_json())
        except ReportError:
            continue  # `sat-zoo leaderboard show` says what is wrong with it


def _is_of(content: Mapping[str, Any], info: ModelCard) -> bool:
    """Whether the Report is about the very model of the card, its data and its threat."""
    if info.threat is None or content.get("estimate") is not None:
        return False
    if not strength(content["protocol"]["name"]) or content["robust"] is None:
        return False
    own = {"bundled"} if info.bundled is not None else {"store", "hub"}
    steps = {stage.get("step_size") for stage in content["protocol"]["stages"]}
    return (
        content["model"]["source"] in own
        and content["data"]["name"] == info.dataset
        and content["data"]["official_subset"]
        and content["threat"]["norm"] == info.threat.norm
        and parse(content["threat"]["eps_text"]) == parse(info.threat.eps)
        and steps <= {None, "eps/4"}
    )


def _order(content: Mapping[str, Any]) -> tuple[int, ...]:
    is_ours = content["engine"]["name"] != "reference"
    attack = strength(content["protocol"]["name"])
    return attack, is_ours, content["data"]["n"], -content["seed"]


def _accuracies(file: str, content: Mapping[str, Any], who: Who = "unknown") -> Accuracies:
    flags = tuple(sorted({flag["code"] for flag in content["flags"]}))
    attack = attack_name(content["protocol"]["name"])
    images = content["data"]["n"], FULL.get(content["data"]["name"])
    return Accuracies(
        KnownAccuracy(content["clean"]["accuracy"], "clean", False, file, flags, *images, who),
        KnownAccuracy(
            content["robust"]["accuracy"],
            attack,
            False,
            file,
            flags,
            *images,
            who,
            fingerprint([Stage.model_validate(it) for it in content["protocol"]["stages"]]),
        ),
    )
