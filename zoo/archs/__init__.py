"""Network definitions, registered with timm; importing this package registers all of them."""

from importlib import import_module

import timm
from torch import nn

from eval.errors import unknown
from zoo.activations import ACTIVATIONS
from zoo.cards import ModelCard

__all__ = ["build", "register"]

MODULES = ("cifar", "digits", "efficientnet", "resnet")


def register() -> None:
    """Make every `satzoo_*` name known to `timm.create_model`. Calling it again does nothing."""
    for module in MODULES:
        import_module(f"zoo.archs.{module}")


def build(card: ModelCard) -> nn.Module:
    """The bare network of a card, freshly initialised, in training mode.

    The network reads (B, C, H, W) after normalisation: `(x - mean) / std` is not part of it.
    Inside `with torch.device("meta")` it costs no memory, for counting.

    Raises `UsageError` if the card names an architecture or an activation that does not exist.
    """
    if not timm.is_model(card.arch):
        raise unknown(f"architecture of the card {card.name}", card.arch, timm.list_models())
    if card.activation not in ACTIVATIONS:
        raise unknown(f"activation of the card {card.name}", card.activation, ACTIVATIONS)
    network: nn.Module = timm.create_model(
        card.arch,
        num_classes=card.classes,
        in_chans=card.input.channels,
        act_layer=ACTIVATIONS[card.activation],
        **card.arch_args,
    )
    return network


register()
