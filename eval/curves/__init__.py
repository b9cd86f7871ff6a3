"""Accuracy against eps or steps: what a curve is, how it is measured, how it is drawn."""
