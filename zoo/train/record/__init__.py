"""What a training run leaves: events, progress, checkpoints, curves, the folder of the result."""
