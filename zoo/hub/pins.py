"""Where the published weights of a model lie, to the byte. No torch here.

A pin is written when a model is published (`sat-zoo push`). Pins lie in two files: the package's
`pins.json`, for everybody, and `SAT_ZOO_HOME/pins.json`, the user's own, which win.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_serializer,
)

from eval.errors import SatZooError, first_fault
from eval.files.home import home
from eval.files.writing import write_atomically
from eval.frozen import Frozen
from zoo.hub.name import is_repo_name

PACKAGED = Path(__file__).with_name("pins.json")


def _stays_inside(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or str(path) != file or ".." in path.parts or "\\" in file:
        raise ValueError(f"{file!r} is not a plain path inside a repository")
    if path.suffix != ".safetensors":
        raise ValueError(f"{file!r} is not a safetensors file: no other format is ever read")
    return file


InsidePath = Annotated[str, AfterValidator(_stays_inside)]


class PinnedEvidence(Frozen):
    """Adversarial images of one Report, a file in the same commit as the weights."""

    file: InsidePath
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1, description="bytes")


class Pin(Frozen):
    """One file on the Hub that cannot change: a commit and a digest name its bytes."""

    repo: str = Field(description="OWNER/NAME on the Hub")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$", description="a full commit hash, no branch")
    file: InsidePath = Field(default="model.safetensors", description="path inside the repository")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=1, description="bytes")
    evidence: tuple[PinnedEvidence, ...] = Field(
        default=(),
        max_length=100,
        description="adversarial images of these weights",
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = dump(self)
        return found if self.evidence else {k: v for k, v in found.items() if k != "evidence"}

    @property
    def of_evidence(self) -> tuple[Pin, ...]:
        """A pin for each file of evidence."""
        return tuple(
            Pin(repo=self.repo, revision=self.revision, **one.model_dump()) for one in self.evidence
        )

    @field_validator("repo")
    @classmethod
    def _is_a_repository(cls, repo: str) -> str:
        if not is_repo_name(repo):
            raise ValueError(f"{repo!r} is no OWNER/NAME of the Hub")
        return repo


_PINS = TypeAdapter(dict[str, Pin])


def pin_of(name: str) -> Pin | None:
    """The pin of the model `name`, the user's before the package's; None if it has none.

    Raises `SatZooError` for a file of pins that cannot be read.
    """
    for path in (home() / "pins.json", PACKAGED):
        pins = _read(path)
        if name in pins:
            return pins[name]
    return None


def write_pin(name: str, pin: Pin, path: Path | None = None) -> Path:
    """Write or replace the pin of `name` in a file of pins, the user's own by default.

    Returns the file. Raises `SatZooError` if it cannot be read or written: it is then unchanged.
    """
    path = home() / "pins.json" if path is None else path
    pins = {**_read(path), name: pin}
    content = {name: pins[name].model_dump() for name in sorted(pins)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SatZooError(
            f"{path.parent} cannot be made: {error.strerror}; name another folder in SAT_ZOO_HOME"
        ) from error
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
    return path


def _read(path: Path) -> dict[str, Pin]:
    try:
        return _PINS.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SatZooError(
            f"{path} cannot be read ({error.strerror}): mend its permissions, or delete it to do"
            " without your own pins"
        ) from error
    except ValidationError as error:
        raise SatZooError(
            f"{path} is not a file of pins: {first_fault(error, 'the file')}; correct it, or"
            " delete it to do without"
        ) from error
