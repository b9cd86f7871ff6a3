"""A recipe: every number that decides what a training run produces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.errors import UsageError, unknown
from zoo.cards import ModelCard
from zoo.registry import FAMILIES

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Recipe(BaseModel):
    """Hyper-parameters with their units. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1, description="passes over the training images")]
    batch_size: Annotated[int, Field(ge=1, description="images a step")]
    lr: Annotated[Positive, Field(description="peak learning rate of SGD with Nesterov momentum")]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[NotNegative, Field(description="on conv and linear weights only")]
    warmup_epochs: Annotated[NotNegative, Field(description="linear rise, then cosine to zero")]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema_decay: Annotated[float, Field(ge=0, lt=1, description="0: no weight averaging")] = 0.0
    shift_pixels: Annotated[int, Field(ge=0, description="random translation, each way")] = 0
    attack_eps: Annotated[str, Field(description='radius of the inner attack, "8/255"')]
    attack_steps: Annotated[int, Field(ge=1, description="PGD steps of the inner attack")]
    attack_step_size: Annotated[str, Field(description='"eps/4", or pixel units "2/255"')]
    seed: int = 0


def read_recipe(info: ModelCard) -> Recipe:
    """The recipe beside the card.

    Raises `UsageError` if the model has none, or names a field that does not exist.
    """
    if info.recipe is None:
        raise UsageError(
            f"model {info.name!r} has no recipe yet: train one that has, see sat-zoo list"
        )
    return parse_recipe(FAMILIES / info.family / info.recipe)


def parse_recipe(path: Path) -> Recipe:
    """Read and validate a recipe file.

    Raises `UsageError` naming the file, the field and the remedy.
    """
    fields = yaml.safe_load(path.read_text("utf-8"))
    for name in fields:
        if name not in Recipe.model_fields:
            raise unknown(f"field of the recipe {path.name}", name, Recipe.model_fields)
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"recipe {path.name}: {field} = {first.get('input')!r}: {first['msg']}; change it there"
        ) from error
