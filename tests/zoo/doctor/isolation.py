"""A machine of its own for the doctor: nothing of the real one is looked at or written to."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from huggingface_hub import constants

CLOSED = "http://127.0.0.1:9"  # discard: nothing listens there
TOKEN = "hf_TopSecretTopSecretTopSecret"


@dataclass(frozen=True)
class Machine:
    user: Path
    home: Path

    def tree(self) -> list[tuple[str, int]]:
        """Every file and folder with its time of change."""
        found = sorted(self.user.rglob("*"))
        return [(str(path), path.lstat().st_mtime_ns) for path in found]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    user = tmp_path / "user"
    user.mkdir()
    for name in ("SAT_ZOO_DATA", "SAT_ZOO_CONFIG", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user / ".config"))
    monkeypatch.setenv("SAT_ZOO_HOME", str(user / "sat-zoo"))
    monkeypatch.setattr(constants, "ENDPOINT", CLOSED)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(user / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(user / "token"))
    monkeypatch.setattr("zoo.doctor.data.IN_ROOT", ())
    return Machine(user, user / "sat-zoo")
