"""Settings of a recipe that cannot be meant together, named as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.train.recipe import Recipe

_FREE = {
    "loss": "ce",
    "inner_loss": "ce",
    "awp_gamma": 0.0,
    "accumulate": 1,
    "attack_steps": 1,
    "attack_start": "image",
    "attack_clean_start": 0.0,
    "attack_clips_start": True,
    "attack_folded": False,
}
"""What "free" training is, since each of its gradients serves the weights and the attack."""


def clashes(recipe: Recipe) -> list[tuple[bool, str]]:
    """Whether two settings of `recipe` contradict each other, and the sentence that says so."""
    mixes = recipe.mixup_alpha > 0 or recipe.cutmix_alpha > 0
    validated = recipe.validation_images > 0
    kl = "attack_loss: kl" if recipe.attack_loss == "kl" else f"loss: {recipe.loss}"
    starts_at_image = recipe.attack_start == "image" or recipe.attack_clean_start > 0
    share = f"attack_clean_start: {recipe.attack_clean_start}"
    start = "attack_start: image" if recipe.attack_start == "image" else share
    return [
        (
            recipe.loss == "ce" and recipe.loss_beta is not None,
            f"loss_beta: {recipe.loss_beta} goes with loss: trades or mart, not with loss: ce",
        ),
        (
            recipe.loss != "ce" and mixes,
            f"loss: {recipe.loss} needs one label an image, mixup_alpha: {recipe.mixup_alpha} and"
            f" cutmix_alpha: {recipe.cutmix_alpha} mix them; set these to 0",
        ),
        (
            recipe.loss == "mart" and recipe.label_smoothing > 0,
            f"loss: mart has no label_smoothing, which is {recipe.label_smoothing}; set it to 0",
        ),
        (
            recipe.schedule == "step" and not recipe.milestones,
            "schedule: step needs milestones: [30, 60, 90] or the like",
        ),
        (
            recipe.schedule != "step" and bool(recipe.milestones),
            f"milestones: {list(recipe.milestones)} go with schedule: step, not with schedule:"
            f" {recipe.schedule}",
        ),
        (
            (recipe.schedule == "decay") != (recipe.decay_epochs is not None),
            f"schedule: {recipe.schedule} and decay_epochs: {recipe.decay_epochs} clash: schedule:"
            " decay needs decay_epochs, and no other schedule has it",
        ),
        (
            recipe.gamma is not None and recipe.schedule not in {"step", "decay"},
            f"gamma: {recipe.gamma} goes with schedule: step or decay, not with schedule:"
            f" {recipe.schedule}",
        ),
        (
            recipe.gamma is None and recipe.schedule in {"step", "decay"},
            f"schedule: {recipe.schedule} needs gamma, for example gamma: 0.1",
        ),
        (
            recipe.warmup_from is not None and recipe.warmup_epochs == 0,
            f"warmup_from: {recipe.warmup_from} needs warmup_epochs above 0",
        ),
        (
            recipe.warmup_epochs >= recipe.epochs,
            f"warmup_epochs: {recipe.warmup_epochs:g} leaves nothing of epochs: {recipe.epochs}",
        ),
        (
            recipe.ema_warmup and recipe.ema_decay == 0,
            "ema_warmup: true needs ema_decay above 0",
        ),
        (
            recipe.patience is not None and not validated,
            f"patience: {recipe.patience} needs validation_images above 0",
        ),
        (
            recipe.overfitting_drop is not None and not validated,
            f"overfitting_drop: {recipe.overfitting_drop} needs validation_images above 0",
        ),
        (
            recipe.attack_start == "image" and recipe.attack_clean_start > 0,
            f"attack_clean_start: {recipe.attack_clean_start} means nothing with attack_start:"
            " image; set it to 0",
        ),
        (
            recipe.inner_loss == "kl" and starts_at_image,
            f"{start} with {kl} is no attack: the divergence from the clean prediction has no"
            " gradient at the image; set attack_start: uniform and attack_clean_start: 0, or"
            " attack_loss: ce",
        ),
        (
            recipe.accumulate > recipe.batch_size,
            f"accumulate: {recipe.accumulate} pieces cannot be cut from batch_size:"
            f" {recipe.batch_size}",
        ),
        (
            recipe.awp_from_epoch > 0 and recipe.awp_gamma == 0,
            f"awp_from_epoch: {recipe.awp_from_epoch} needs awp_gamma above 0",
        ),
        *_of_free(recipe),
    ]


def _of_free(recipe: Recipe) -> list[tuple[bool, str]]:
    """Settings that mean nothing where the attack has no passes of its own."""
    n = recipe.free_replays
    found = []
    for name, wanted in _FREE.items():
        value = getattr(recipe, name)
        field = "attack_loss" if name == "inner_loss" else name
        why = (
            f"free_replays: {n} needs {field}: {_typed(wanted)}, not {_typed(value)}: its attack"
            " has no passes of its own"
        )
        found.append((n > 0 and value != wanted, why))
    return found


def _typed(value: object) -> str:
    """As it is written in a recipe."""
    return str(value).lower() if isinstance(value, bool) else str(value)
