"""Measured against published. `results/` holds the Reports that our documents quote."""
