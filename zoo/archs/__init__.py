"""Network definitions that timm lacks, an architecture or a family of them a file."""

from importlib import import_module

__all__ = ["register"]

MODULES = ("cifar", "digits", "efficientnet", "resnet")


def register() -> None:
    """Make every `satzoo_*` name known to `timm.create_model`. Calling it again does nothing."""
    for module in MODULES:
        import_module(f"zoo.archs.{module}")
