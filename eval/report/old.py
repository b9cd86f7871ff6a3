"""Reports that an earlier sat-zoo wrote, brought to what the fields mean today.

A Report of `clean`, which attacks nothing, used to repeat its clean accuracy as its robust one and
to call every image that was right "robust". Neither was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unattacked(content: Any) -> Any:
    """A Report's content as read; where its protocol has no stage, robust null and verdicts right.

    Only a robust accuracy that repeats the clean one is taken for such an old file: any other
    number there is left for the Report's own validation to refuse. Nothing is changed in place.
    """
    if not isinstance(content, Mapping) or not _attacks_nothing(content.get("protocol")):
        return content
    content = dict(content)
    if content.get("robust") == content.get("clean"):
        content["robust"] = None
    images = content.get("images")
    if isinstance(images, Mapping) and isinstance(images.get("verdicts"), list | tuple):
        verdicts = tuple("right" if v == "robust" else v for v in images["verdicts"])
        content["images"] = {**images, "verdicts": verdicts}
    return content


def _attacks_nothing(protocol: Any) -> bool:
    if not isinstance(protocol, Mapping):
        return False
    stages = protocol.get("stages")
    return isinstance(stages, list | tuple) and not stages
