"""Training: `sat-zoo train NAME` re-creates a checkpoint from the recipe beside its card."""
