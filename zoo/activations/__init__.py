"""The smooth activations, their derivatives, and which one a weight file is of."""
