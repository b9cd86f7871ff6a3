"""A document of ours, one JSON file: written whole or not at all, checked whenever it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, get_args

from pydantic import ValidationError

from eval.errors import ReportError, first_fault
from eval.files.border import border, plain, read_bytes
from eval.files.paths import AnyPath, path_of
from eval.files.record import parse_json
from eval.files.writing import write_atomically
from eval.frozen import Frozen

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_KEYS = 100
"""Of one object in the file: far more than the largest part of a document has."""

LONGEST_FAULT = 600
"""Characters of what is wrong with a file, which repeats some of it."""


class Document(Frozen):
    """A record with a field `schema_`, whose totals its validators compute again.

    TITLE: what a sentence calls it, as "Report".
    """

    TITLE: ClassVar[str]

    def to_json(self) -> str:
        """As indented JSON text with the field names of its schema."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    def write(self, path: AnyPath) -> None:
        """Write it to `path`: the old file or the whole new one, never half of it."""
        write_atomically(path_of(path, "path"), self.to_json().encode())

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read the file `path` and check it.

        Raises `ReportError` if it cannot be read, is not this schema, holds a number that cannot
        be, or its totals do not follow from its images.
        """
        path, what = path_of(path, "path"), cls.TITLE.lower()
        with border(f"{what} {path}", ReportError, f"give a {cls.TITLE} that sat-zoo wrote"):
            content = read_bytes(path)
            try:
                return cls.model_validate(parse_json(content, most_keys=MOST_KEYS))
            except ValidationError as error:
                fault = plain(first_fault(error, what), LONGEST_FAULT)
                fault += cls._advice(error.errors()[0])
            except ValueError as error:  # the text is no JSON of ours
                fault = plain(str(error), LONGEST_FAULT)
        (schema,) = get_args(cls.model_fields["schema_"].annotation)
        raise ReportError(f"{what} {plain(str(path))} is not a valid {schema}: {fault}")

    @classmethod
    def _advice(cls, error: ErrorDetails) -> str:
        """What to do about that fault, to stand behind it; nothing where that is not known."""
        return ""
