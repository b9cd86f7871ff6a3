"""What anything that a stranger hands over may need at most, in one place. No torch here.

    SAT_ZOO_LIMITS="picture_pixels=400000000,member_bytes=2e9" sat-zoo eval ...

Each limit is far above what real files need and far below what harms a machine. A reader asks
before it takes memory, and its sentence names the limit, so that whoever has a reason can raise it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import lru_cache

from eval.errors import UsageError, unknown

VARIABLE = "SAT_ZOO_LIMITS"
_MOST = 2**62


@dataclass(frozen=True)
class Limits:
    """The limits; counts, and sizes in bytes.

    record_bytes: a Report, plan, config or other JSON, YAML or TOML text; record_depth: brackets
    within brackets in it; record_digits: digits of a number in it; record_items: commas and
    brackets in it, which no text has fewer of than values.
    attestation_bytes: of an attestation, or of the file of a key; they have some thousand.
    list_bytes, list_lines: of a list of ids, classes, labels or an order.
    picture_bytes: a picture's file; picture_pixels: width times height.
    member_bytes: an archive's member or an array, unpacked; members: of an archive, or files under
    a folder; unpacked_bytes: of an archive that is compressed as a whole.
    batch_bytes: a batch of CIFAR-10 (they have 31 MB); parquet_rows: of a split in parquet files;
    group_bytes: of a group of their rows, unpacked.
    index_bytes, index_entries, name_bytes: of a TensorFlow checkpoint's index, its entries, and
    the name of one. tensors, header_bytes: of a weight file, and weight_bytes: all of it.
    config_bytes, config_items: of the config.json of a stranger's repository; parameters, modules:
    of a network that it asks for. check_seconds: that looking through a journal may take.
    evidence_bytes: of a file of adversarial images, and of these when they are unpacked.
    """

    record_bytes: int = 2**28
    record_depth: int = 100
    record_digits: int = 400
    record_items: int = 4 * 10**6
    attestation_bytes: int = 2**18
    list_bytes: int = 2**26
    list_lines: int = 2 * 10**6
    picture_bytes: int = 2**27
    picture_pixels: int = 64 * 10**6
    member_bytes: int = 2**29
    members: int = 5 * 10**6
    unpacked_bytes: int = 2**29
    batch_bytes: int = 2**26
    parquet_rows: int = 2 * 10**5
    group_bytes: int = 2**28
    index_bytes: int = 2**23
    index_entries: int = 3 * 10**4
    name_bytes: int = 2000
    tensors: int = 10**5
    header_bytes: int = 2**25
    weight_bytes: int = 2**36
    config_bytes: int = 2**22
    config_items: int = 3 * 10**5
    parameters: int = 10**10
    modules: int = 5000
    check_seconds: int = 600
    evidence_bytes: int = 2**33


def limits() -> Limits:
    """The limits, with what the environment says. Raises `UsageError` for a text that says none."""
    return _read(os.environ.get(VARIABLE, ""))


def check(name: str, found: int, what: str) -> None:
    """Raises `ValueError`, for the border around it, if `found` is over the limit `name`.

    what: what was counted, for people: "pixels", "bytes when unpacked".
    """
    most = getattr(limits(), name)
    if found > most:
        raise ValueError(
            f"it has {found:,} {what}, more than the {most:,} allowed;"
            f" {VARIABLE}={name}={found} allows them"
        )


@lru_cache(maxsize=8)
def _read(text: str) -> Limits:
    known = [field.name for field in fields(Limits)]
    chosen: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name.strip() not in known:
            raise unknown("limit", name.strip(), known, see=f"in {VARIABLE}")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not 1 <= number <= _MOST:
            raise UsageError(
                f"{VARIABLE} says {part!r}: write NAME=NUMBER with a number of 1 or more, such as"
                " picture_pixels=400000000"
            )
        chosen[name.strip()] = int(number)
    return Limits(**chosen)
