"""Attacks, one a file; the registry finds them by the name in a protocol's stage."""

from eval.attacks.registry import build

__all__ = ["build"]
