"""A finished run becomes the bundled checkpoint: weights, card and Reports in the source tree."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from eval.errors import SatZooError, UsageError
from eval.evaluation import evaluate
from eval.files.writing import write_atomically
from eval.report.percent import percent
from eval.report.report import OPEN, Report
from eval.run import Progress
from zoo.cards import ModelCard
from zoo.golden.record import record
from zoo.loading import from_weights
from zoo.pictures import images
from zoo.registry import FAMILIES, metrics_file
from zoo.train.record.result import ABOUT, METRICS, WEIGHTS
from zoo.weights.beside import golden_beside
from zoo.weights.file import Found, WeightFile, read

ATTACKS = ("clean", "pgd-50")
"""Measured on the whole test split; AutoAttack is left to `sat-zoo eval`, it takes hours."""


def bundle(
    info: ModelCard,
    run: Path,
    *,
    data: str | None,
    data_dir: Path | None,
    device: str,
    say: Callable[[str], None],
    on_progress: Callable[[Progress], None] | None = None,
    families: Path = FAMILIES,
) -> None:
    """Install the result in the folder `run` as the weights that come with the package.

    Writes FAMILY/NAME.safetensors, its golden logits and NAME.metrics.jsonl, the sha256 into the
    card, and a Report for each of `ATTACKS` into the run folder and, in a source tree, into
    leaderboard/results.
    Raises `UsageError` if the run is not finished, `SatZooError` if the card cannot be changed
    without touching others.
    """
    about = _finished(run, info)
    sha256 = str(about["weights_sha256"])
    # Read once: what is measured, what the card names and what is bundled are the same bytes.
    weights = read(info.name, Found(run / WEIGHTS, "file", sha256))
    family = families / info.family
    cards = family / "cards.yaml"
    file = f"{info.name}.safetensors"
    changed = with_bundle(cards.read_text("utf-8"), info.name, file, sha256)
    reports = _measure(info, run, weights, data or info.dataset, data_dir, device, say, on_progress)
    for report in reports:
        results = families.parents[1] / "leaderboard" / "results"
        if results.is_dir():
            write_atomically(results / report.name, report.read_bytes())
            say(f"report written to {results / report.name}")
    golden = record(from_weights(info, weights.weights(), "file"), sha256)
    write_atomically(family / file, weights.content)
    write_atomically(golden_beside(family / file), golden.to_bytes())
    write_atomically(metrics_file(info, families), (run / METRICS).read_bytes())
    write_atomically(cards, changed.encode())
    say(f"{file} is bundled in {family}, sha256 {sha256}; commit it with its log and cards.yaml")


def with_bundle(text: str, name: str, file: str, sha256: str) -> str:
    """The text of a cards.yaml in which the card `name` bundles `file`; comments stay.

    Raises `SatZooError` if there is no such card, or another card would change with it.
    """
    changed = _in_flow(text, name, file, sha256) or _in_block(text, name, file, sha256)
    if changed is None:
        raise SatZooError(f"cards.yaml has no card {name!r} in a form that can be changed by text")
    before, after = _cards(text), _cards(changed)
    for card in before:
        if card["name"] == name:
            card["bundled"] = {"file": file, "sha256": sha256}
    if before != after:
        raise SatZooError(
            f"bundling {name!r} would change other cards that share its fields: write its"
            f" `bundled: {{file: {file}, sha256: {sha256}}}` into cards.yaml by hand"
        )
    return changed


def _cards(text: str) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: list[dict[str, Any]] = yaml.load(text, Loader=loader)["cards"]
    return found


def _in_flow(text: str, name: str, file: str, sha256: str) -> str | None:
    """For a card on one line, `- {name: NAME, ...}`."""
    line = re.compile(rf"^(\s*- \{{.*\bname: {re.escape(name)}\b(?!-).*)\}}[ \t]*$", re.MULTILINE)
    found = line.search(text)
    if found is None:
        return None
    kept = re.sub(r", bundled: \{[^}]*\}", "", found[1])
    new = f"{kept}, bundled: {{file: {file}, sha256: {sha256}}}}}"
    return text[: found.start()] + new + text[found.end() :]


def _in_block(text: str, name: str, file: str, sha256: str) -> str | None:
    """For a card with one field a line."""
    lines = text.splitlines()
    start = next(
        (i for i, line in enumerate(lines) if re.fullmatch(rf"[ -]*name: {re.escape(name)}", line)),
        None,
    )
    if start is None:
        return None
    indent = lines[start].index("name:")
    end = start + 1
    while end < len(lines) and lines[end].startswith(" " * indent):
        end += 1
    body = _without_field(lines[start:end], f"{' ' * indent}bundled:", indent)
    pad = " " * indent
    fields = [f"{pad}bundled:", f"{pad}  file: {file}", f"{pad}  sha256: {sha256}"]
    return "\n".join([*lines[:start], *body, *fields, *lines[end:]]) + "\n"


def _without_field(lines: list[str], head: str, indent: int) -> list[str]:
    kept: list[str] = []
    is_inside = False
    for line in lines:
        if line.startswith(head):
            is_inside = True
        elif not line.startswith(" " * (indent + 1)):
            is_inside = False
        if not is_inside:
            kept.append(line)
    return kept


def _finished(run: Path, info: ModelCard) -> dict[str, Any]:
    try:
        about: dict[str, Any] = json.loads((run / ABOUT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"`bundle()`: {run} holds no finished run: train it to the end") from error
    if about.get("model") != info.name:
        raise UsageError(
            f"`bundle()`: {run} holds a run of {about.get('model')}, not of {info.name}"
        )
    if not about.get("is_complete"):
        raise UsageError(
            f"`bundle()`: the run in {run} was ended early by `limit_steps`; train it to the end"
        )
    return about


def _measure(
    info: ModelCard,
    run: Path,
    weights: WeightFile,
    data: str,
    data_dir: Path | None,
    device: str,
    say: Callable[[str], None],
    on_progress: Callable[[Progress], None] | None,
) -> list[Path]:
    if info.threat is None:
        raise UsageError(f"`bundle()`: {info.name} has no threat model to be measured under")
    model = from_weights(info, weights.weights(), "file", device)
    found = images(info, data=data, data_dir=data_dir, on_message=say)
    paths = []
    for attack in ATTACKS:
        say(f"measuring {info.name} with {attack} on {len(found)} images of {found.name}")
        path = run / f"{info.name}.{attack}.json"
        report = evaluate(
            model,
            found,
            attack=attack,
            eps=info.threat.eps,
            norm=info.threat.norm,
            device=device,
            name=info.name,
            source="bundled",
            file_sha256=model.file_sha256,
            command=measuring_command(info, data, attack),
            out=path,
            on_progress=on_progress,
        )
        say(f"{attack}: {_found(report, path)}")
        paths.append(path)
    return paths


def _found(report: Report, path: Path) -> str:
    """The accuracy of a whole run; `SatZooError` for an estimate, which no package comes with."""
    if report.estimate is not None:
        raise SatZooError(
            f"the run of {report.protocol.name} ended with"
            f" {report.images.verdicts.count(OPEN)} images open, so that {path} is an estimate and"
            " nothing was bundled: bundle it again"
        )
    share = report.robust or report.clean
    return f"{percent(share.accuracy)} % of {share.n} images"


def measuring_command(info: ModelCard, data: str, attack: str) -> str:
    """What measures the same with the weights once they are bundled."""
    if data == info.dataset:
        return f"sat-zoo eval {info.name} --attack {attack}"
    return f"sat-zoo eval {info.name} --data {data} --attack {attack}"
