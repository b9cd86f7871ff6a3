"""Signing without a key of one's own, and verifying it, through sigstore's public service.

Written against the public interface of sigstore 4 and, with that package, tried up to the network:
it has never been run against the real service. The package is not needed for anything else.

Source: sigstore.dev; the functions are those of the package's own documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eval.errors import ReportError, SatZooError, first_line
from eval.files.border import plain
from zoo.attest.envelope import PAYLOAD_TYPE, Attestation

EXTRA = "pip install 'sat-zoo[sigstore]'"


def sign_keyless(payload: bytes) -> bytes:
    """The bundle of a statement, as JSON text, signed for whoever logs in.

    The identity is that of the place where this runs, a GitHub Actions job for example, else a
    browser is opened. Identity and statement become public, in a log that forgets nothing.

    Raises `SatZooError` without the package, and for all that goes wrong.
    """
    with _explained("signed"):
        from sigstore.dsse import Statement
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken, Issuer, detect_credential
        from sigstore.sign import SigningContext

        statement = Statement(payload)
        config = ClientTrustConfig.production()
        found = detect_credential()
        if found is None:
            token = Issuer(config.signing_config.get_oidc_url()).identity_token()
        else:
            token = IdentityToken(found)
        with SigningContext.from_trust_config(config).signer(token) as signer:
            return f"{signer.sign_dsse(statement).to_json()}\n".encode()


def verify_keyless(attestation: Attestation, *, identity: str, issuer: str) -> None:
    """Whether the bundle was signed for `identity`, as `issuer` knew it, and is in the public log.

    identity: an address or the URI of a workflow. issuer: the URL of who vouched for it.

    Raises `ReportError` if not; `SatZooError` without the package, or if the service's keys can
    neither be fetched nor were before.
    """
    if attestation.bundle is None:
        raise ReportError("it was not signed through sigstore, so that no identity vouches for it")
    with _explained("verified"):
        from sigstore.errors import VerificationError
        from sigstore.models import Bundle, InvalidBundle
        from sigstore.verify import Verifier, policy

        try:
            bundle = Bundle.from_json(attestation.bundle)
            kind, payload = Verifier.production().verify_dsse(
                bundle, policy.Identity(identity=identity, issuer=issuer)
            )
        except (VerificationError, InvalidBundle) as error:
            raise ReportError(
                f"sigstore does not confirm it for {plain(identity)} of {plain(issuer)}:"
                f" {plain(first_line(error))}"
            ) from error
    if (kind, payload) != (PAYLOAD_TYPE, attestation.payload):
        raise ReportError("what sigstore verified is not what was read: make it again")


@contextmanager
def _explained(done: str) -> Iterator[None]:
    """One sentence for what the package, or the network below it, raises."""
    try:
        yield
    except SatZooError:
        raise
    except ImportError as error:
        raise SatZooError(
            f"nothing was {done}: that needs the package sigstore ({EXTRA}), or use a key in a file"
        ) from error
    except Exception as error:  # the package passes on those of five others
        raise SatZooError(
            f"nothing was {done}: sigstore says {type(error).__name__},"
            f" {plain(first_line(error))}; it needs the network, or use a key in a file"
        ) from error
