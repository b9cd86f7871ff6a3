"""Signing and verifying with a key in a file: Ed25519 or ECDSA, through `securesystemslib`.

    openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out key.pub
    ssh-keygen -t ed25519 -f key              # the same as key and key.pub

Both forms of files are read. Keys of any other kind are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.errors import ReportError, SatZooError, UsageError
from eval.files.border import border, plain, read_bytes
from zoo.attest.envelope import Attestation, Signed, signed_bytes

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

EXTRA = "pip install 'sat-zoo[attest]'"
KINDS = ("ed25519", "ecdsa")
_LIMIT = "attestation_bytes"
_MAKE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLIC = "give the public one, of: openssl pkey -in key.pem -pubout -out key.pub"
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"

Ask = Callable[[], str]
"""Asks whoever sits there for the password of a key."""


def sign(payload: bytes, key: Path, ask: Ask | None = None) -> tuple[Signed, str]:
    """The signature of the private key in the file `key`, and what kind of key it is.

    ask: called if the key is encrypted; None: such a key is refused.

    Raises `UsageError` for a file that holds no such key, `SatZooError` without the packages.
    """
    _check_installed()
    from securesystemslib.signer import CryptoSigner

    private = _private(key, ask)
    with border(f"key {key}", UsageError, _MAKE):
        signer = CryptoSigner(private)
        _check_kind(signer.public_key, key)
        made = signer.sign(signed_bytes(payload))
    return Signed(made.keyid, bytes.fromhex(made.signature)), signer.public_key.keytype


def verified_by(attestation: Attestation, public_key: Path) -> str:
    """The id of the key, if one of the signatures is its; raises `ReportError` if none is.

    Each signature is tried, whatever key it claims: the claim is not signed.
    """
    _check_installed()
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    key = _public(public_key)
    for one in attestation.signatures:
        try:
            key.verify_signature(
                Signature(key.keyid, one.signature.hex()), signed_bytes(attestation.payload)
            )
        except UnverifiedSignatureError:  # which is also what it raises for one that cannot be
            continue
        return str(key.keyid)
    n = len(attestation.signatures)
    raise ReportError(
        f"none of its {n} signatures is of the key in {plain(str(public_key))}: it was signed with"
        " another key, or changed since"
        if n
        else "it is not signed: anybody can have written it"
    )


def _check_installed() -> None:
    try:
        import cryptography  # noqa: F401
        import securesystemslib  # noqa: F401
    except ImportError as error:
        raise SatZooError(
            f"signatures need the packages securesystemslib and cryptography: {EXTRA}"
        ) from error


def _private(path: Path, ask: Ask | None) -> Any:
    """The private key in a file, in PEM or as ssh-keygen writes it."""
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )

    with border(f"key {path}", UsageError, _MAKE):
        content = read_bytes(path, _LIMIT)
        load = load_ssh_private_key if _OPENSSH in content else load_pem_private_key
        try:
            return load(content, None)
        except TypeError:  # of cryptography: there should be a password
            if ask is None:
                raise UsageError(
                    f"key {plain(str(path))} is encrypted and nobody can be asked for its password:"
                    " give one that is not"
                ) from None
        return load(content, ask().encode())


def _public(path: Path) -> SSlibKey:
    """The public key in a file, in PEM or as ssh-keygen writes it."""
    from cryptography.hazmat.primitives.serialization import (
        load_pem_public_key,
        load_ssh_public_key,
    )
    from securesystemslib.signer import SSlibKey

    with border(f"key {path}", UsageError, _PUBLIC):
        content = read_bytes(path, _LIMIT)
        if b"PRIVATE KEY" in content:
            raise UsageError(f"key {plain(str(path))} is a private one: {_PUBLIC}")
        load = load_pem_public_key if b"-----BEGIN" in content else load_ssh_public_key
        key = SSlibKey.from_crypto(load(content))
        _check_kind(key, path)
    return key


def _check_kind(key: SSlibKey, path: Path) -> None:
    if key.keytype not in KINDS:
        raise UsageError(
            f"key {plain(str(path))} is of the kind {key.keytype}: use Ed25519 or ECDSA; {_MAKE}"
        )
