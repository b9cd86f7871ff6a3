"""Whatever passes images through a model: the one door to it, its fast copy, the proof, batches."""
