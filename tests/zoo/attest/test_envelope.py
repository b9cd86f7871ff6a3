"""The file of an attestation is read within limits, whatever stands in it."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eval.errors import ReportError, SatZooError
from eval.report.report import Report
from tests.bridged import bridged
from tests.fuzz.damage import damage_bytes
from tests.fuzz.jsons import damage_json
from zoo.attest.envelope import (
    PAYLOAD_TYPE,
    Attestation,
    Signed,
    envelope_text,
    is_attestation,
    signed_bytes,
)
from zoo.attest.keys import sign, verified_by
from zoo.attest.statement import statement_of, to_bytes

Keys = Callable[..., tuple[Path, Path]]


def payload_of(report: Path) -> bytes:
    found = Report.read(report)
    return to_bytes(statement_of(found, report.read_bytes(), name=report.name, version="1"))


def test_what_is_signed_is_what_securesystemslib_would_sign(report: Path) -> None:
    dsse = bridged("securesystemslib.dsse")
    payload = payload_of(report)
    text = envelope_text(payload, [Signed("ab" * 32, b"12")])
    theirs = dsse.Envelope.from_dict(json.loads(text))
    assert theirs.pae() == signed_bytes(payload)
    assert (theirs.payload, theirs.payload_type) == (payload, PAYLOAD_TYPE)
    (one,) = theirs.signatures.values()
    assert bytes.fromhex(one.signature) == b"12"


def test_both_alphabets_of_base64_are_read(report: Path, tmp_path: Path) -> None:
    payload = payload_of(report)
    content = json.loads(envelope_text(payload, [Signed("a", b"\xff\xfe\xfb" * 9)]))
    content["signatures"][0]["sig"] = base64.urlsafe_b64encode(b"\xff\xfe\xfb" * 9).decode()
    assert "_" in content["signatures"][0]["sig"]
    path = tmp_path / "x"
    path.write_text(json.dumps(content))
    (one,) = Attestation.read(path).signatures
    assert one.signature == b"\xff\xfe\xfb" * 9


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384"])
@pytest.mark.parametrize("ssh", [False, True])
def test_a_signature_is_of_its_key_and_of_no_other(
    report: Path, keys: Keys, kind: str, ssh: bool
) -> None:
    private, public = keys(kind, ssh=ssh)
    _, other = keys(kind, name="other")
    payload = payload_of(report)
    signature, _ = sign(payload, private)
    path = report.with_name("a.att.json")
    path.write_bytes(envelope_text(payload, [signature]))
    found = Attestation.read(path)
    assert verified_by(found, public) == signature.keyid
    with pytest.raises(ReportError, match="none of its 1 signatures is of the key in"):
        verified_by(found, other)


def test_openssl_would_verify_it_too(report: Path, keys: Keys) -> None:
    private, public = keys()
    signature, _ = sign(payload_of(report), private)
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key: Any = load_pem_public_key(public.read_bytes())
    key.verify(signature.signature, signed_bytes(payload_of(report)))  # raises if it is not so


def test_the_claimed_key_neither_helps_nor_harms(report: Path, keys: Keys) -> None:
    private, public = keys()
    payload = payload_of(report)
    signature, _ = sign(payload, private)
    path = report.with_name("a.att.json")
    many = [Signed("other", b"x"), Signed(signature.keyid, b"y"), Signed("", signature.signature)]
    path.write_bytes(envelope_text(payload, many))
    assert verified_by(Attestation.read(path), public) == signature.keyid
    path.write_bytes(envelope_text(payload, many[:2]))
    with pytest.raises(ReportError, match="none of its 2 signatures"):
        verified_by(Attestation.read(path), public)


def test_a_password_is_asked_for_and_only_where_somebody_can_be_asked(
    report: Path, keys: Keys
) -> None:
    private, _ = keys(password=b"secret")
    payload = payload_of(report)
    assert sign(payload, private, lambda: "secret")
    with pytest.raises(SatZooError, match=r"is encrypted and nobody can be asked"):
        sign(payload, private)
    with pytest.raises(SatZooError, match=r"key .*key.pem cannot be read \("):
        sign(payload, private, lambda: "wrong")


def test_keys_that_are_none_or_of_another_kind_are_refused(
    report: Path, keys: Keys, tmp_path: Path
) -> None:
    private, public = keys("rsa")
    payload = payload_of(report)
    with pytest.raises(SatZooError, match="of the kind rsa: use Ed25519 or ECDSA"):
        sign(payload, private)
    path = report.with_name("a.att.json")
    path.write_bytes(envelope_text(payload, [Signed("", b"x")]))
    found = Attestation.read(path)
    with pytest.raises(SatZooError, match="of the kind rsa"):
        verified_by(found, public)
    with pytest.raises(SatZooError, match="is a private one: give the public one"):
        verified_by(found, private)
    for content in (b"", b"-----BEGIN PUBLIC KEY-----\n", b"\x80\x04pickle", b"x" * 2**19):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(SatZooError, match=r"key .*bad cannot be read \("):
            sign(payload, tmp_path / "bad")
        with pytest.raises(SatZooError, match=r"key .*bad cannot be read \("):
            verified_by(found, tmp_path / "bad")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payloadType": "text/plain"}, "its payloadType is not"),
        ({"payload": "no base64!"}, "its payload is no base64"),
        ({"payload": 3}, "its payload is no text"),
        ({"payload": base64.b64encode(b"[" * 90_000).decode()}, "more than the 100 allowed"),
        ({"payload": base64.b64encode(b'{"a":1,"a":2}').decode()}, "stands twice"),
        ({"payload": base64.b64encode(b"\x80\x04.").decode()}, "no UTF-8"),
        ({"signatures": {}}, "its signatures are no list"),
        ({"signatures": [{"sig": "AA=="}] * 17}, "its signatures are no list of at most 16"),
        ({"signatures": ["x"]}, "has no sig and keyid"),
        ({"signatures": [{"keyid": "a"}]}, "its sig is no text"),
        ({"dsseEnvelope": None}, "it is no envelope"),
        ({"more": "x" * 2**18}, "attestation_bytes"),
    ],
)
def test_a_hostile_file_is_one_sentence(
    report: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    content = json.loads(envelope_text(payload_of(report), []))
    path = tmp_path / "a.att.json"
    path.write_text(json.dumps(content | change))
    with pytest.raises(ReportError, match=said) as caught:
        Attestation.read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def damaged(number: int, payload: bytes, signature: Signed) -> bytes:
    """Bytes, the envelope's JSON, or the statement in a whole envelope, in turn."""
    whole, rng = envelope_text(payload, [signature]), Random(number)
    if number % 3 == 0:
        return damage_bytes(whole, rng)[0]
    if number % 3 == 1:
        return damage_json(json.loads(whole), rng)[0].encode()
    return envelope_text(damage_json(json.loads(payload), rng)[0].encode(), [signature])


def test_damage_is_refused_or_changes_nothing_that_is_signed(
    report: Path, keys: Keys, tmp_path: Path
) -> None:
    private, public = keys()
    payload = payload_of(report)
    signature, _ = sign(payload, private)
    refused = []
    for number in range(150):
        (tmp_path / "a.att.json").write_bytes(damaged(number, payload, signature))
        try:
            read = Attestation.read(tmp_path / "a.att.json")
            verified_by(read, public)
        except SatZooError as error:
            refused.append(str(error))
            continue
        assert read.payload == payload
    assert len(refused) > 100
    assert all(said.isprintable() for said in refused)


def test_an_attestation_is_known_by_its_ending_or_its_content(report: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(envelope_text(payload_of(report), []))
    assert is_attestation(path)
    path.write_text(json.dumps({"mediaType": "x", "dsseEnvelope": {}}))
    assert is_attestation(path)
    (tmp_path / "y.att.json").write_text("broken")
    assert is_attestation(tmp_path / "y.att.json")
    for content in (report.read_bytes(), b"", b"[1]", b'"payloadType"', b"[" * 10**5):
        path.write_bytes(content)
        assert not is_attestation(path)
