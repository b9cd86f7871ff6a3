"""Tests. A package, since others install one of this name, which would be found instead."""
