"""The numbers of a page as the Hub reads them: `model-index`, and the files of `.eval_results`.

    .eval_results/sat-zoo.NAME-OF-THE-REPORT.yaml    one file a Report: the Hub wants variants apart

Both are made with huggingface_hub's own helpers. In both a value never parts from its interval: the
name of a metric, or the notes of an entry, say counts, interval and attack. Whatever is weaker than
AutoAttack is called an upper bound. An estimate is named as one in the `model-index`; there is
none in `.eval_results`, of which the Hub's leaderboards show the value alone.

Source: huggingface.co/docs/hub/eval-results. An entry appears on a leaderboard only where the owner
of the data set has registered its task; nobody has for robustness as yet.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from eval.errors import ReportError
from eval.files.border import plain
from eval.report.known import check_protocol
from eval.report.parts import OPEN
from eval.report.percent import percent_range
from eval.report.words import attack_of
from zoo.publish.markdown import sure

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

    from eval.report.report import Accuracy, Report
    from zoo.publish.reports import Result

TASK = "image-classification"
# Data sets of the cards that have a page of their own on the Hub. A copy, cifar10-jpeg or
# imagenet-partial, is another data set: it keeps its name, which no page has.
HUB_DATASETS = {"imagenet": "ILSVRC/imagenet-1k", "cifar10": "uoft-cs/cifar10"}
OWN = ".eval_results/sat-zoo."
"""How the paths of our files begin: what others put beside them is not ours to delete."""

_NO_ID = re.compile(r"[^a-z0-9@+]+")


def model_index(results: Sequence[Result], repo: str) -> list[EvalResult]:
    """Clean and robust accuracy of every Report, for the metadata of the page of `repo`."""
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=TASK,
            dataset_type=HUB_DATASETS.get(result.report.data.name, sure(result.report.data.name)),
            dataset_name=sure(result.report.data.name),
            dataset_split=sure(result.report.data.split),
            metric_type="robust_accuracy" if is_robust else "accuracy",
            metric_name=f"{_metric(result.report, is_robust)}, {_counted(share)}",
            metric_value=share.accuracy,
            metric_args=_arguments(result, repo, share, is_robust),
        )
        for result, share, is_robust in _numbers(results)
    ]


def result_files(results: Sequence[Result], repo: str) -> dict[str, bytes]:
    """Path and content of the files of `.eval_results`: one a Report that has a settled number.

    Raises `ReportError` for a Report whose stages are not those that its protocol's name promises:
    on the Hub the name is all that many will see.
    """
    for result in results:
        _check(result)
    from huggingface_hub import eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump

    entries: dict[str, list[EvalResultEntry]] = {}
    for result, share, is_robust in _numbers(results):
        if not share.estimated:
            entry = _entry(result, repo, share, is_robust)
            entries.setdefault(_path(result.file), []).append(entry)
    return {
        path: yaml_dump(eval_result_entries_to_yaml(found), sort_keys=False).encode()
        for path, found in entries.items()
    }


def is_bound(report: Report) -> bool:
    """Whether a robust accuracy is an upper bound: all that is weaker than AutoAttack is."""
    return not report.protocol.name.startswith("autoattack-")


def _check(result: Result) -> None:
    try:
        check_protocol(result.report)
    except ReportError as error:
        raise ReportError(f"report {plain(result.file)} is not published: {error}") from error


def _numbers(results: Sequence[Result]) -> Iterator[tuple[Result, Accuracy, bool]]:
    """Report, number, whether it is the robust one; each clean accuracy once.

    Every Report of the same images repeats it.
    """
    seen: set[tuple[object, ...]] = set()
    for result in results:
        report = result.report
        data = report.data
        key = (data.name, data.split, data.ids_sha256, data.pixels_sha256, report.clean)
        if key not in seen:
            seen.add(key)
            yield result, report.clean, False
        if report.robust is not None:
            yield result, report.robust, True


def _metric(report: Report, is_robust: bool) -> str:
    """What a number is: "robust accuracy, an upper bound (pgd-50, Linf eps 8/255)"."""
    if not is_robust:
        return "clean accuracy"
    against = f"{attack_of(report)}, {report.threat.norm} eps {report.threat.eps_text}"
    if report.engine.name != "fast":
        against += f", engine {report.engine.name}"
    return sure(f"robust accuracy{', an upper bound' * is_bound(report)} ({against})")


def _counted(share: Accuracy) -> str:
    """An estimate counts nothing: those of its images that are known to be right are not all."""
    interval = f"95 % interval {percent_range(*share.ci95)} %"
    if share.estimated:
        return f"estimated, not all of {share.n} images settled, {interval}"
    return f"{share.correct} of {share.n}, {interval}"


def _arguments(result: Result, repo: str, share: Accuracy, is_robust: bool) -> dict[str, Any]:
    """What a number was measured with, what it rests on, and where that is written."""
    report = result.report
    found: dict[str, Any] = {}
    if is_robust:
        found = {
            "protocol": attack_of(report),
            "protocol_id": report.protocol.id,
            "norm": report.threat.norm,
            "eps": report.threat.eps_text,
            "engine": report.engine.name,
            "seed": report.seed,
            "upper_bound": is_bound(report),
        }
    found |= _evidence(report, share)
    return {
        **found,
        "flags": [flag.code for flag in report.flags],
        "report": _link(repo, result.file),
        "report_sha256": hashlib.sha256(result.content).hexdigest(),
        **_weights(report),
        "source": f"sat-zoo {sure(report.engine.version)}",
    }


def _evidence(report: Report, share: Accuracy) -> dict[str, Any]:
    """full_run: what the whole run would find, where not all is settled."""
    found: dict[str, Any] = {"n": share.n, "ci95": list(share.ci95)}
    if not share.estimated:
        return {"correct": share.correct, **found}
    found |= {"estimated": True, "open": report.images.verdicts.count(OPEN)}
    return found | ({"full_run": list(report.estimate.full_run)} if report.estimate else {})


def _entry(result: Result, repo: str, share: Accuracy, is_robust: bool) -> EvalResultEntry:
    from huggingface_hub import EvalResultEntry

    report = result.report
    data = report.data.name
    return EvalResultEntry(
        dataset_id=HUB_DATASETS.get(data, _identifier(data)),
        task_id=_task(report, is_robust),
        value=share.accuracy,
        date=report.created,
        source_url=_link(repo, result.file),
        source_name=f"Report of sat-zoo {sure(report.engine.version)}",
        notes=_notes(result, share, is_robust),
    )


def _task(report: Report, is_robust: bool) -> str:
    """An identifier that nobody else's number has: attack, ball, and that it is only a bound."""
    if not is_robust:
        return "clean-accuracy"
    bound = "-upper-bound" * is_bound(report)
    ball = f"{report.threat.norm}-{report.threat.eps_text}"
    return f"robust-accuracy{bound}.{_identifier(attack_of(report))}.{_identifier(ball)}"


def _notes(result: Result, share: Accuracy, is_robust: bool) -> str:
    report = result.report
    attack = f"protocol {report.protocol.id}, " * is_robust
    codes = ", ".join(dict.fromkeys(flag.code for flag in report.flags)) or "none"
    weights = ", ".join(f"{name} {digest}" for name, digest in _weights(report).items())
    return (
        f"{_metric(report, is_robust)}: {_counted(share)}, n {share.n} of"
        f" {sure(report.data.name)} ({sure(report.data.split)}); the value is a fraction;"
        f" {attack}engine {report.engine.name} {report.engine.precision}, seed {report.seed};"
        f" flags: {codes};"
        f" sat-zoo {sure(report.engine.version)}, {weights}, report_sha256"
        f" {hashlib.sha256(result.content).hexdigest()}"
    )


def _weights(report: Report) -> dict[str, str]:
    """Digests of the tensors and, where the Report has it, of the file: under its own names."""
    found = {"weights_sha256": report.model.weights_sha256}
    if report.model.file_sha256:
        found["file_sha256"] = report.model.file_sha256
    return found


def _link(repo: str, file: str) -> str:
    """The page of a Report; `main`, since the commit that brings both has no name before it is."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{repo}/blob/main/reports/{quote(file)}"


def _path(file: str) -> str:
    """Where the entries of a Report lie; a name that had to be changed keeps apart by a digest."""
    stem = file.removesuffix(".json")
    name = re.sub(r"[^A-Za-z0-9._+@-]", "-", stem)[:100]
    if name != stem:
        name += f"-{hashlib.sha256(file.encode()).hexdigest()[:8]}"
    return f"{OWN}{name}.yaml"


def _identifier(text: str) -> str:
    return _NO_ID.sub("-", text.lower()).strip("-")[:80] or "unnamed"
