from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bridged import bridged

RESULTS = Path(__file__).parents[3] / "leaderboard" / "results"
REPORT = RESULTS / "resnet8-silu-sat-digits.pgd-50.json"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A copy of a committed Report of the bundled digits network."""
    path = tmp_path / "report.json"
    path.write_bytes(REPORT.read_bytes())
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Makes a pair of keys in PEM, private and public, as openssl does."""
    bridged("securesystemslib")
    bridged("cryptography")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    makers: dict[str, Callable[[], Any]] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }

    def make(
        kind: str = "ed25519",
        *,
        name: str = "key",
        password: bytes | None = None,
        ssh: bool = False,
    ) -> tuple[Path, Path]:
        private, public = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        key = makers[kind]()
        lock = form.BestAvailableEncryption(password) if password else form.NoEncryption()
        form_of = form.PrivateFormat.OpenSSH if ssh else form.PrivateFormat.PKCS8
        private.write_bytes(key.private_bytes(form.Encoding.PEM, form_of, lock))
        kinds = (
            (form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
            if ssh
            else (form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
        )
        public.write_bytes(key.public_key().public_bytes(*kinds))
        return private, public

    return make
