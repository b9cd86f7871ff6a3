"""A report of anything, made without a network."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.protocols import protocol as protocol_named
from eval.report.report import Accuracy, Report
from eval.threat import Threat
from tests.leaderboard.pictures import ids_of, labels_of, pixels_of

Make = Callable[..., Report]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_report(
    verdicts: Sequence[str] = ("robust", "pgd-50", "clean", "robust"),
    *,
    model: str = "somebody-s-net",
    weights: str = "w",
    source: str = "file",
    parameters: int = 10,
    classes: int = 10,
    protocol: str = "pgd-50",
    step_size: str | None = None,
    engine: str = "fast",
    norm: str = "Linf",
    eps: str = "8/255",
    data: str = "toy",
    split: str | None = None,
    official: bool = False,
    ids: Sequence[str] | None = None,
    labels: Sequence[int] | None = None,
    seed: int = 0,
    created: str = "2026-01-01T00:00:00Z",
    flags: Sequence[tuple[str, str]] = (),
    last: float | None = None,
) -> Report:
    split = split or ("val" if data.startswith("imagenet") else "test")
    ids = list(ids or ids_of(data, split, len(verdicts)))
    n, n_clean = len(ids), len(ids) - list(verdicts).count("clean")
    stages = protocol_named(protocol, step_size=step_size).stages
    left, results = n_clean, []
    for stage in stages:
        broken = list(verdicts).count(stage.name)
        result = {"name": stage.name, "attacked": left, "broken": broken, "rejected": 0}
        left -= broken
        work = {"accuracy_after": left / n, "seconds": 0.1, "forwards": 10**8}
        work["backwards"] = 0 if stage.attack == "square" else 10**8
        share = left / n if last is None and stage.needs_last_iterate else last
        results.append(result | work | {"last_iterate_accuracy": share})
    return Report.model_validate(
        {
            "schema": "sat-zoo/report@1",
            "created": created,
            "command": f"sat-zoo eval {model}",
            "model": {
                "name": model,
                "source": source,
                "weights_sha256": sha(weights),
                "parameters": parameters,
                "classes": classes,
            },
            "data": {
                "name": data,
                "split": split,
                "n": n,
                "ids_sha256": sha("\n".join(ids)),
                "pixels_sha256": pixels_of(data, split, ids),
                "official_subset": official,
            },
            "threat": {"norm": norm, "eps": Threat(norm, eps).eps, "eps_text": eps},
            "protocol": {"name": protocol_named(protocol).name, "stages": stages},
            "engine": {
                "name": engine,
                "precision": "fp32",
                "device": "cpu",
                "version": "0.1.0",
                "torch": "2",
            },
            "seed": seed,
            "clean": Accuracy.of(n_clean, n),
            "robust": Accuracy.of(left, n) if stages else None,
            "stages": results,
            "images": {
                "ids": ids,
                "labels": list(labels or labels_of(data, split, ids)),
                "verdicts": list(verdicts),
            },
            "flags": [{"code": code, "detail": detail} for code, detail in flags],
            "survive_8bit": {"broken_after_rounding": 0, "n": n_clean - left},
            "seconds": 1.0,
        }
    )


@pytest.fixture(scope="session")
def made() -> Make:
    return make_report


@pytest.fixture
def results(tmp_path: Path) -> Callable[..., Path]:
    """A folder with these reports, one file each."""

    def write(*reports: Report, **others: Any) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        for i, report in enumerate(reports):
            report.write(folder / f"{i}.json")
        for name, content in others.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (folder / f"{name}.json").write_text(text)
        return folder

    return write
