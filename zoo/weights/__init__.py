"""Weights on this machine: which file a model uses, the store, and how a file is read."""
