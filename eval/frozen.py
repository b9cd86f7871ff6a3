"""What all records of ours have in common, on disk and in memory."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A record that does not change once it is made, and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
