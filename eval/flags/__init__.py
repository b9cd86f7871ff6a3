"""Reasons to read a number with care."""
