"""The way of official checkpoints from the authors' file share into the store."""
