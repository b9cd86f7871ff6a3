"""Bridges to libraries of others: their attacks as stages, and models as they want them."""
