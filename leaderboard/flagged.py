"""The flags of a row, its Reports' own and what only several of them show; why pixels differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from eval.report.flag_codes import OF_THE_PROTOCOL
from eval.report.report import Flag, Report


def flags_of(reports: Iterable[Report]) -> tuple[Flag, ...]:
    """What is flagged of the model; of a protocol, the heading of its column says it."""
    reports = tuple(reports)
    flags = [flag for report in reports for flag in report.flags]
    flags += _mixed_pixels(reports)
    return tuple(dict.fromkeys(flag for flag in flags if flag.code not in OF_THE_PROTOCOL))


def _mixed_pixels(reports: Sequence[Report]) -> Iterable[Flag]:
    """One model sees a picture in one way, so that equal ids mean equal pixels."""
    pixels: dict[str, dict[str, str]] = defaultdict(dict)
    for report in reports:
        data = report.data
        pixels[data.ids_sha256][data.pixels_sha256] = data.decoder or "not stated"
    for found in pixels.values():
        if len(found) > 1:
            said = "; ".join(f"{digest[:8]} by {who}" for digest, who in sorted(found.items()))
            detail = (
                f"the same pictures have other pixels in other Reports; digest, decoder: {said}"
            )
            yield Flag(code="mixed-pixels", detail=detail)


def why_other_pixels(a: Report, b: Report) -> str:
    """Of two Reports of the same images with other pixels."""
    one, other = a.data.decoder, b.data.decoder
    if one is None or other is None or one == other:
        return "the models' inputs differ"
    return f"the models' inputs differ, or their decoders do ({one}; {other})"
