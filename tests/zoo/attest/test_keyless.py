"""sigstore: what happens without it, without a network, and what is asked of it.

The service itself was never asked: see docs/attest.md.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from eval.errors import ReportError, SatZooError
from eval.report.report import Report
from zoo.attest.envelope import PAYLOAD_TYPE, Attestation, Signed, envelope_text
from zoo.attest.keyless import sign_keyless, verify_keyless
from zoo.attest.statement import statement_of, to_bytes


def payload_of(report: Path) -> bytes:
    found = Report.read(report)
    return to_bytes(statement_of(found, report.read_bytes(), name=report.name, version="1"))


def bundle(payload: bytes) -> bytes:
    envelope = json.loads(envelope_text(payload, [Signed("", b"signature")]))
    return json.dumps({"mediaType": "made up", "dsseEnvelope": envelope}).encode()


def read(report: Path, content: bytes) -> Attestation:
    path = report.with_name("a.att.json")
    path.write_bytes(content)
    return Attestation.read(path)


class Unconfirmed(Exception):
    pass


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A sigstore that plays the package's public functions and notes what it was asked."""
    seen = SimpleNamespace(token=None, ambient="ambient", signed=None, policy=None, fault=None)

    @contextmanager
    def signer(token: Any) -> Iterator[Any]:
        seen.token = token
        made = lambda statement: SimpleNamespace(to_json=lambda: bundle(statement).decode())  # noqa: E731
        yield SimpleNamespace(sign_dsse=made)

    def verify_dsse(text: bytes, policy: Any) -> tuple[str, bytes]:
        seen.policy = policy
        if seen.fault:
            raise seen.fault
        return PAYLOAD_TYPE, seen.signed

    config = SimpleNamespace(signing_config=SimpleNamespace(get_oidc_url=lambda: "https://oidc"))
    login = lambda url: SimpleNamespace(identity_token=lambda: f"browser at {url}")  # noqa: E731
    context = SimpleNamespace(from_trust_config=lambda _: SimpleNamespace(signer=signer))
    modules = {
        "sigstore": {},
        "sigstore.dsse": {"Statement": lambda content: content},
        "sigstore.errors": {"VerificationError": Unconfirmed},
        "sigstore.models": {
            "Bundle": SimpleNamespace(from_json=lambda text: text),
            "ClientTrustConfig": SimpleNamespace(production=lambda: config),
            "InvalidBundle": type("InvalidBundle", (Exception,), {}),
        },
        "sigstore.oidc": {
            "IdentityToken": lambda raw: f"token of {raw}",
            "Issuer": login,
            "detect_credential": lambda: seen.ambient,
        },
        "sigstore.sign": {"SigningContext": context},
        "sigstore.verify": {
            "Verifier": SimpleNamespace(
                production=lambda: SimpleNamespace(verify_dsse=verify_dsse)
            ),
            "policy": SimpleNamespace(Identity=lambda **given: given),
        },
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return seen


def test_without_the_package_it_says_how_to_get_it(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    payload = payload_of(report)
    with pytest.raises(SatZooError, match=r"nothing was signed: .*sat-zoo\[sigstore\].* a key in"):
        sign_keyless(payload)
    with pytest.raises(SatZooError, match=r"nothing was verified: .*sat-zoo\[sigstore\]"):
        verify_keyless(read(report, bundle(payload)), identity="me@x", issuer="https://x")


@pytest.mark.parametrize(
    ("ambient", "token"),
    [("of the job", "token of of the job"), (None, "browser at https://oidc")],
)
def test_the_place_vouches_where_it_can_and_else_a_browser_is_opened(
    report: Path, played: SimpleNamespace, ambient: str | None, token: str
) -> None:
    played.ambient = ambient
    payload = payload_of(report)
    found = read(report, sign_keyless(payload))
    assert played.token == token
    assert found.payload == payload
    assert found.bundle is not None


def test_a_bundle_is_verified_for_the_named_identity_and_no_other_payload(
    report: Path, played: SimpleNamespace
) -> None:
    payload = played.signed = payload_of(report)
    found = read(report, bundle(payload))
    verify_keyless(found, identity="me@x", issuer="https://x")
    assert played.policy == {"identity": "me@x", "issuer": "https://x"}
    played.signed = b"another"
    with pytest.raises(ReportError, match="what sigstore verified is not what was read"):
        verify_keyless(found, identity="me@x", issuer="https://x")


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (Unconfirmed("Certificate's SANs do not match\n\x1b[2J"), ReportError, "does not confirm"),
        (ConnectionError("no route to host"), SatZooError, "says ConnectionError, no route to"),
        (RuntimeError("a" * 1000), SatZooError, "says RuntimeError, aaa"),
    ],
)
def test_what_it_raises_is_one_sentence(
    report: Path,
    played: SimpleNamespace,
    fault: Exception,
    kind: type[SatZooError],
    said: str,
) -> None:
    played.fault = fault
    found = read(report, bundle(payload_of(report)))
    with pytest.raises(kind, match=said) as caught:
        verify_keyless(found, identity="me@x", issuer="https://x")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_an_envelope_without_a_bundle_was_not_signed_through_sigstore(report: Path) -> None:
    found = read(report, envelope_text(payload_of(report), [Signed("", b"x")]))
    with pytest.raises(ReportError, match="it was not signed through sigstore"):
        verify_keyless(found, identity="me@x", issuer="https://x")


def test_the_real_package_has_what_is_asked_of_it_and_takes_our_statement(report: Path) -> None:
    pytest.importorskip("sigstore", reason="sigstore is in no environment of the tests")
    from sigstore.dsse import Statement
    from sigstore.models import Bundle, ClientTrustConfig
    from sigstore.oidc import IdentityToken, Issuer, detect_credential
    from sigstore.sign import Signer, SigningContext
    from sigstore.verify import Verifier, policy

    assert Statement(payload_of(report))
    for function, names in (
        (SigningContext.from_trust_config, ["trust_config"]),
        (SigningContext.signer, ["self", "identity_token"]),
        (Signer.sign_dsse, ["self", "input_"]),
        (Verifier.verify_dsse, ["self", "bundle", "policy"]),
        (Bundle.from_json, ["raw"]),
    ):
        assert list(inspect.signature(function).parameters)[: len(names)] == names
    assert callable(ClientTrustConfig.production)
    assert callable(Verifier.production)
    assert callable(Issuer)
    assert callable(IdentityToken)
    assert callable(detect_credential)
    assert policy.Identity(identity="me@x", issuer="https://x")
    with pytest.raises(SatZooError):  # no bundle that was made up is ever confirmed
        verify_keyless(
            read(report, bundle(payload_of(report))), identity="me@x", issuer="https://x"
        )
