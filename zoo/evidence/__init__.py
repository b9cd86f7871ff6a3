"""Where the adversarial images of a model's Reports lie, and how those of the package are made."""
