"""What a repository on the Hub can be called, and one commit of it."""

from dataclasses import dataclass

LONGEST = 96
"""Characters of OWNER/NAME."""


@dataclass(frozen=True)
class Commit:
    """One state of a repository for ever: OWNER/NAME and the full hash of a commit."""

    repo: str
    commit: str


def is_repo_name(name: str) -> bool:
    """Whether `name` is OWNER/NAME as the Hub allows it."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    # The client also takes a bare NAME, letters of all alphabets, and 96 characters of either part.
    return name.count("/") == 1 and name.isascii() and len(name) <= LONGEST
