"""One digest for what the adversarial images of a Report follow from, whenever it was written."""

from __future__ import annotations

import hashlib
import json

from eval.report.report import Report


def what_images_follow_from(report: Report) -> str:
    """A SHA-256 over model, data, ball, protocol with its stages, engine, seed and every verdict.

    Not over when, where and how long: the same run twice has one digest. Of the decoder what counts
    is the pixels.
    """
    engine, survived = report.engine, report.survive_8bit
    parts = {
        "schema": report.schema_,
        "model": report.model.model_dump(),
        "data": report.data.model_dump(exclude={"decoder"}),
        "threat": report.threat.model_dump(),
        "protocol": report.protocol.model_dump(exclude={"fingerprint"}),  # it follows
        "engine": [engine.name, engine.precision],
        "seed": report.seed,
        "images": report.images.model_dump(),
        "survive_8bit": survived.model_dump(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
