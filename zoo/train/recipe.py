"""A recipe: every number that decides what a training run produces. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from eval.arguments import argument
from eval.errors import UsageError, unknown
from eval.frozen import Frozen
from zoo.cards import ModelCard
from zoo.registry import FAMILIES, run_of
from zoo.train.clashes import clashes

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Recipe(Frozen):
    """Hyper-parameters with their units. Unknown fields are refused; so are those that clash."""

    epochs: Annotated[int, Field(ge=1, description="passes over the training images")]
    batch_size: Annotated[int, Field(ge=1, description="images a step, all processes together")]
    accumulate: Annotated[int, Field(ge=1, description="pieces in which a batch is computed")] = 1
    seed: int = 0

    optimizer: Annotated[str, Field(description="name in timm.optim")] = "nesterov"
    lr: Annotated[Positive, Field(description="peak learning rate")]
    lr_per: Annotated[
        int | None, Field(ge=1, description="lr is for this many images a step, and scales")
    ] = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    optimizer_eps: Annotated[Positive | None, Field(description="of RMSProp, Adam, ...")] = None
    weight_decay: Annotated[NotNegative, Field(description="on conv and linear weights only")]
    clip_grad_norm: Annotated[Positive | None, Field(description="L2 norm of all gradients")] = None
    schedule: Literal["cosine", "step", "decay", "one-cycle", "constant"] = "cosine"
    warmup_epochs: Annotated[NotNegative, Field(description="linear rise to lr")] = 0.0
    warmup_from: Annotated[
        NotNegative | None, Field(description="learning rate it rises from; default one step's")
    ] = None
    milestones: Annotated[tuple[float, ...], Field(description="epochs, for schedule step")] = ()
    decay_epochs: Annotated[Positive | None, Field(description="for schedule decay")] = None
    gamma: Annotated[Positive | None, Field(description="factor of step and decay")] = None
    ema_decay: Annotated[float, Field(ge=0, lt=1, description="0: no weight averaging")] = 0.0
    ema_warmup: Annotated[bool, Field(description="average over fewer steps at first")] = False

    shift_pixels: Annotated[int, Field(ge=0, description="random translation, each way")] = 0
    flip: Annotated[bool, Field(description="mirror half of the images")] = False
    random_crop: Annotated[
        tuple[float, float] | None, Field(description="share of a picture's area to crop")
    ] = None
    color_jitter: Annotated[NotNegative, Field(description="brightness, contrast, saturation")] = 0
    randaugment_ops: Annotated[Count, Field(description="operations an image; 0: none")] = 0
    randaugment_magnitude: Annotated[int, Field(ge=0, le=30, description="of 30")] = 9
    mixup_alpha: Annotated[NotNegative, Field(description="Beta(alpha, alpha); 0: none")] = 0.0
    cutmix_alpha: Annotated[NotNegative, Field(description="Beta(alpha, alpha); 0: none")] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    loss: Literal["ce", "trades", "mart"] = "ce"
    loss_beta: Annotated[
        NotNegative | None, Field(description="weight of the robust term of trades and mart")
    ] = None
    awp_gamma: Annotated[NotNegative, Field(description="relative size of AWP; 0: none")] = 0.0
    awp_from_epoch: Annotated[Count, Field(description="epochs without AWP at the start")] = 0

    attack_norm: Literal["Linf", "L2"] = "Linf"
    attack_eps: Annotated[
        str, Field(coerce_numbers_to_str=True, description='radius of the inner attack, "8/255"')
    ]
    attack_steps: Annotated[int, Field(ge=1, description="PGD steps of the inner attack")]
    attack_step_size: Annotated[
        str, Field(coerce_numbers_to_str=True, description='"eps/4", or pixel units "2/255"')
    ]
    attack_loss: Annotated[
        Literal["ce", "kl"] | None, Field(description="default kl for trades, else ce")
    ] = None
    attack_start: Literal["uniform", "gaussian", "image"] = "uniform"
    attack_clean_start: Annotated[
        Share, Field(description="share of batches that start at the image itself")
    ] = 0.0
    attack_folded: Annotated[
        bool, Field(description="attack a copy with batch norm folded: faster, other rounding")
    ] = False
    attack_clips_start: Annotated[bool, Field(description="keep the start in [0, 1]")] = True
    free_replays: Annotated[
        Count, Field(description="updates a batch whose gradients move the attack too; 0: none")
    ] = 0

    validation_images: Annotated[Count, Field(description="held out of the training split")] = 0
    validation_steps: Annotated[int, Field(ge=1, description="of PGD, step eps/4")] = 10
    validation_every: Annotated[int, Field(ge=1, description="epochs")] = 1
    patience: Annotated[
        int | None, Field(ge=1, description="stop after so many validations without a new best")
    ] = None
    overfitting_drop: Annotated[
        Share | None, Field(description="stop when robust validation accuracy fell so far")
    ] = None

    precision: Annotated[
        Literal["fp32", "bf16"], Field(description="bf16: autocast, fp32 master weights")
    ] = "fp32"
    channels_last: Annotated[
        bool, Field(description="memory layout, where eval/engine/layout.py finds it safe")
    ] = False
    compile: Annotated[bool, Field(description="torch.compile the network")] = False

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        for is_wrong, why in clashes(self):
            if is_wrong:
                raise ValueError(why)
        return self

    @property
    def inner_loss(self) -> Literal["ce", "kl"]:
        """What the inner attack maximises: `attack_loss`, or what goes with `loss`."""
        return self.attack_loss or ("kl" if self.loss == "trades" else "ce")

    @property
    def updates_per_step(self) -> int:
        """How often a step, which is one batch of images, changes the weights."""
        return max(1, self.free_replays)

    @property
    def peak_lr(self) -> float:
        """The learning rate after warm-up, scaled with the batch if `lr_per` is given."""
        return self.lr if self.lr_per is None else self.lr * self.batch_size / self.lr_per


def read_recipe(info: ModelCard, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe beside the card, by the card's seed, with `overrides` as "epochs=5" on top.

    Raises `UsageError` if there is none, a field does not exist, or settings or seeds clash.
    """
    if info.recipe is None:
        raise UsageError(
            f"model {info.name!r} has no recipe yet: train one that has, see sat-zoo list"
        )
    seed = [] if info.seed is None else [f"seed={info.seed}"]
    recipe = parse_recipe(FAMILIES / info.family / info.recipe, [*seed, *overrides])
    if info.seed not in {None, recipe.seed}:
        raise UsageError(
            f"`overrides=['seed={recipe.seed}']`: {info.name} is the run of seed {info.seed}: train"
            f" {info.seed_of} for another"
        )
    return recipe


def run_by(info: ModelCard, seed: int) -> ModelCard:
    """The card of the training of `info` by `seed`: itself, where the recipe has that seed.

    Raises what `read_recipe` and `zoo.registry.run_of` do.
    """
    if info.seed_of is None and seed == read_recipe(info).seed:
        return info
    return run_of(info, seed)


def parse_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and validate a recipe file. Raises `UsageError` naming file, field and remedy."""
    try:
        fields = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"recipe {path} cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise UsageError(f"recipe {path} holds no fields: write `epochs: 15` and so on")
    return check_recipe(fields | dict(map(_override, overrides)), f"recipe {path.name}")


def check_recipe(fields: Mapping[str, Any], where: str) -> Recipe:
    """A validated recipe from its fields. Raises `UsageError` naming `where`, field and remedy."""
    for name in fields:
        if name not in Recipe.model_fields:
            raise unknown(f"field of the {where}", str(name), Recipe.model_fields)
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
        field = ".".join(map(str, first["loc"]))
        value = "" if first["type"] == "missing" else f" = {first.get('input')!r}"
        raise UsageError(f"{where}: {field}{value}: {first['msg']}; change it there") from error


def check_for_data(recipe: Recipe, *, in_memory: bool, scale: int = 255) -> None:
    """Refuse augmentation that would do nothing, or the wrong thing, to this kind of data.

    in_memory: whole images of the model's size, or else picture files; scale: the largest pixel.
    Raises `UsageError` naming the setting as it is typed.
    """
    crop, jitter, ops = recipe.random_crop, recipe.color_jitter, recipe.randaugment_ops
    for_files = "is for picture files, and this data set is held in memory; take it out"
    if in_memory and crop is not None:
        raise UsageError(f"random_crop: {list(crop)} {for_files}, or use shift_pixels")
    if in_memory and jitter > 0:
        raise UsageError(f"color_jitter: {jitter} {for_files}")
    if not in_memory and recipe.shift_pixels > 0:
        raise UsageError(
            f"shift_pixels: {recipe.shift_pixels} is for images in memory, not for picture files;"
            " set it to 0, or use random_crop"
        )
    if ops > 0 and scale != 255:
        wanted = "needs pixels of 0..255, this data set has"
        raise UsageError(f"randaugment_ops: {ops} {wanted} 0..{scale}; set it to 0")


def differences(old: Recipe, new: Recipe) -> list[str]:
    """One line a field that differs, "lr: 0.1 -> 0.2"."""
    before, after = old.model_dump(), new.model_dump()
    return [
        f"{name}: {before[name]} -> {after[name]}" for name in after if before[name] != after[name]
    ]


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    said = argument("overrides", [text])
    if not equals:
        raise UsageError(f"{said} is not FIELD=VALUE: write for example `overrides=['epochs=5']`")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"{said}: the value cannot be read: {error}") from error
