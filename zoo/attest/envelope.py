"""The file of an attestation: a DSSE envelope, or the bundle in which sigstore keeps one. No torch.

What lies in it is a stranger's until its signature is verified, and afterwards the signer's: it is
read within limits, and nothing in it is ever more than text that is compared.

Source: github.com/secure-systems-lab/dsse, envelope.md and protocol.md, version 1.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.errors import ReportError
from eval.files.border import border, read_bytes
from eval.files.record import parse_json
from zoo.attest.statement import read_statement

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MOST_SIGNATURES = 16
ENDING = ".att.json"
"""Of the names that `sat-zoo attest` gives."""

_LIMIT = "attestation_bytes"
_REMEDY = "give a file that sat-zoo attest wrote"
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class Signed:
    """One signature of an envelope; keyid is a hint that anybody can have written."""

    keyid: str
    signature: bytes


@dataclass(frozen=True)
class Attestation:
    """An attestation as it was read; nothing of it is verified yet.

    payload: what is signed. statement: what it says. bundle: the text of the whole file where it is
    sigstore's, else None.
    """

    payload: bytes
    statement: dict[str, Any]
    signatures: tuple[Signed, ...]
    bundle: bytes | None = None

    @classmethod
    def read(cls, path: Path) -> Attestation:
        """Read an attestation. Raises `ReportError` for what is none of ours."""
        with border(f"attestation {path}", ReportError, _REMEDY):
            content = read_bytes(path, _LIMIT)
            found = parse_json(content)
            is_bundle = isinstance(found, dict) and "dsseEnvelope" in found
            envelope = found["dsseEnvelope"] if is_bundle else found
            payload, signatures = _opened(envelope)
            statement = read_statement(payload)
            return cls(payload, statement, signatures, content if is_bundle else None)


def is_attestation(path: Path) -> bool:
    """Whether a file is meant as an attestation: by its ending, or by what it holds."""
    if path.name.endswith(ENDING):
        return True
    try:
        found = parse_json(read_bytes(path, _LIMIT))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and bool(found.keys() & {"payloadType", "dsseEnvelope"})


def envelope_text(payload: bytes, signatures: Sequence[Signed]) -> bytes:
    """The envelope of a payload as JSON text; without a signature it says that nobody signed."""
    content = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {"keyid": one.keyid, "sig": base64.b64encode(one.signature).decode()}
            for one in signatures
        ],
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def signed_bytes(payload: bytes) -> bytes:
    """What a signature of an envelope is over: its type and payload, so that neither can be moved.

    DSSE calls it PAE; `securesystemslib.dsse` makes the same, and a test compares the two.
    """
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _opened(envelope: Any) -> tuple[bytes, tuple[Signed, ...]]:
    """Payload and signatures. Raises `ValueError`, or `KeyError`, for the border around it."""
    if not isinstance(envelope, dict):
        raise ValueError("it is no envelope")
    for key in ("payloadType", "payload", "signatures"):
        if key not in envelope:
            raise ValueError(f"its envelope has no {key}")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise ValueError(f"its payloadType is not {PAYLOAD_TYPE!r}")
    listed = envelope["signatures"]
    if not isinstance(listed, list) or len(listed) > MOST_SIGNATURES:
        raise ValueError(f"its signatures are no list of at most {MOST_SIGNATURES}")
    return _bytes(envelope["payload"], "payload"), tuple(map(_signed, listed))


def _signed(value: Any) -> Signed:
    keyid = value.get("keyid", "") if isinstance(value, dict) else None
    if not isinstance(keyid, str):
        raise ValueError("a signature in it has no sig and keyid")
    return Signed(keyid, _bytes(value.get("sig"), "sig"))


def _bytes(text: Any, what: str) -> bytes:
    """Base64, of either alphabet: DSSE demands that both are read."""
    if not isinstance(text, str):
        raise ValueError(f"its {what} is no text")
    try:
        return base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except ValueError:
        raise ValueError(f"its {what} is no base64") from None
