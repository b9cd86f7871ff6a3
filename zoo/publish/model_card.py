"""The page of a published model, from its card and its Reports and nothing else.

What is not known is said to be not published; numbers of others stand in a section of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eval.report.percent import percent
from eval.report.words import attack_of
from zoo.publish.eval_results import HUB_DATASETS, TASK, is_bound, model_index
from zoo.publish.markdown import accuracy, code, sure, table, text

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

    from zoo.cards import Claim, ModelCard
    from zoo.publish.reports import Result

UNKNOWN = "not published"
METHODS = {
    "sat": "smooth adversarial training",
    "at": "adversarial training",
    "unknown": "training not published",
}


@dataclass(frozen=True)
class Page:
    """What the page is made of.

    sha256, size: of the weight file. origin: a sentence about where the weights come from.
    license_id: as the Hub spells it, None if nobody stated one. pretrained_cfg: what config.json
    tells timm, None if timm cannot load the model.
    """

    info: ModelCard
    repo: str
    sha256: str
    size: int
    origin: str
    license_id: str | None
    results: tuple[Result, ...]
    pretrained_cfg: dict[str, Any] | None


def render(page: Page) -> str:
    """The content of README.md: metadata in YAML, then the page."""
    from huggingface_hub import ModelCard as HubCard

    sections = [
        _about(page),
        _usage(page),
        _measured(page),
        _claimed(page),
        _origin(page),
    ]
    content = f"---\n{metadata(page).to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"
    return str(HubCard(content))  # reads its own metadata back: a broken page fails here


def metadata(page: Page) -> ModelCardData:
    """The metadata by which the Hub finds, licenses and compares models."""
    from huggingface_hub import ModelCardData

    info = page.info
    is_timm = page.pretrained_cfg is not None
    dataset = HUB_DATASETS.get(info.dataset)
    method = () if info.method == "unknown" else (METHODS[info.method].replace(" ", "-"),)
    return ModelCardData(
        license=page.license_id or "unknown",
        library_name="timm" if is_timm else "sat-zoo",
        pipeline_tag=TASK,
        tags=[
            TASK,
            "adversarial-robustness",
            *method,
            sure(info.activation),
            "pytorch",
            "sat-zoo",
        ],
        datasets=[dataset] if dataset else None,
        model_name=info.name,
        eval_results=model_index(page.results, page.repo) or None,
        ignore_metadata_errors=False,
    )


def _about(page: Page) -> str:
    info, spec = page.info, page.info.input
    threat = f"{info.threat.norm}, eps {text(info.threat.eps)}" if info.threat else UNKNOWN
    rows = [
        ("architecture", f"{code(info.arch)}, activation {code(info.activation)}"),
        ("method", METHODS[info.method]),
        ("training data", f"{text(info.dataset)}, {info.classes} classes"),
        ("threat model of the training", threat),
        ("parameters", f"{info.parameters:,}"),
        ("multiply-adds", f"{info.flops:,}" if info.flops is not None else UNKNOWN),
        ("input", f"{spec.channels} x {spec.size} x {spec.size}, values in [0, 1]"),
        ("preprocessing", code(spec.preprocess)),
        ("recipe", code("recipe.yaml") if info.recipe else UNKNOWN),
    ]
    notes = "".join(f"\n- {text(note)}" for note in info.notes)
    intro = (
        "An image classifier from sat-zoo. This page was generated from the model's card and the"
        " Reports of its evaluations; what neither says is not published."
    )
    facts = table(("", ""), rows)
    return f"# {info.name}\n\n{intro}\n\n{facts}" + (f"\n{notes}" if notes else "")


def _usage(page: Page) -> str:
    name, repo = page.info.name, page.repo
    parts = [
        "## Use",
        "With the Python package `sat-zoo`. Images are (B, C, H, W) in [0, 1]; normalisation"
        " happens inside the model:",
        f'```python\nimport zoo\n\nmodel = zoo.load("{name}")\nlogits = model(x)\n```',
        "Measure its robustness, with AutoAttack for example:",
        f"```sh\nsat-zoo pull {name}  # or: --repo {repo} --revision COMMIT\n"
        f"sat-zoo eval {name} --attack autoattack\n```",
    ]
    data = page.pretrained_cfg
    if data is None:
        parts.append("timm alone cannot build this network: `config.json` says what is needed.")
        return "\n\n".join(parts)
    parts += [
        "With timm alone, normalisation is the caller's part:",
        f'```python\nimport timm\n\nmodel = timm.create_model("hf-hub:{repo}", pretrained=True)'
        f"\nmean, std = {data['mean']}, {data['std']}  # of images in [0, 1]\n```",
    ]
    if page.info.input.preprocess != "none":
        parts.append(
            "timm's own transforms resize pictures a little differently from the pipeline"
            f" {code(page.info.input.preprocess)} that the numbers below belong to."
        )
    return "\n\n".join(parts)


def _measured(page: Page) -> str:
    head = "## Measured by sat-zoo"
    if not page.results:
        return f"{head}\n\nNo Report of these weights: {UNKNOWN}."
    columns = ("data", "attack", "clean accuracy", "robust accuracy", "engine", "flags", "Report")
    rows = [_row(result) for result in page.results]
    early = ""
    if any(result.report.estimate for result in page.results):
        early = (
            " Estimated: the run ended before all images were settled; the number is a best guess,"
            " and the interval covers the images that are open."
        )
    return (
        f"{head}\n\nPer cent with 95 % Wilson intervals.{early} Every number can be"
        " recomputed from the verdicts in its Report: `sat-zoo verify FILE`."
        f"\n\n{table(columns, rows)}"
    )


def _row(result: Result) -> tuple[str, ...]:
    report = result.report
    threat = f", {text(report.threat.norm)} eps {text(report.threat.eps_text)}"
    return (
        f"{text(report.data.name)} ({text(report.data.split)}), {report.data.n} images",
        text(attack_of(report)) + (threat if report.robust else ""),
        accuracy(report.clean),
        f"{accuracy(report.robust)}{', upper bound' * is_bound(report)}" if report.robust else "",
        f"{report.engine.name} {report.engine.precision}",
        ", ".join(text(flag.code) for flag in report.flags) or "none",
        code(f"reports/{result.file}"),
    )


def _claimed(page: Page) -> str:
    head = "## Claimed by others, not measured here"
    if not page.info.claims:
        return f"{head}\n\nNo number: {UNKNOWN}."
    rows = [_claim(claim) for claim in page.info.claims]
    columns = ("accuracy", "attack", "source", "note")
    return (
        f"{head}\n\nPublished in the sources named for the model of this name. Whether the weights"
        f" on this page reach them is for the Reports above to say.\n\n{table(columns, rows)}"
    )


def _claim(claim: Claim) -> tuple[str, ...]:
    threat = f", {claim.threat.norm} eps {text(claim.threat.eps)}" if claim.threat else ""
    return (
        f"{percent(claim.accuracy)} %",
        text(claim.protocol) + threat,
        text(claim.source),
        text(claim.note or ""),
    )


def _origin(page: Page) -> str:
    if page.license_id:
        terms = f"License of the weights: {code(page.license_id)}."
    else:
        terms = (
            f"License of the weights: {UNKNOWN}. sat-zoo knows of no statement by those who made"
            " them; its own license covers its code, not these weights."
        )
    return (
        f"## Weights\n\n`model.safetensors`, {page.size:,} bytes, sha256 `{page.sha256}`."
        f" {text(page.origin)}\n\n{terms}"
    )
