"""Golden logits: what weights answered, on fixed images, on the machine that made them.

They lie in a file beside the weights. Whoever loads the weights compares (`check`), and
`zoo.diagnosis` says what probably differs where they differ. Importing this imports no torch.
"""
