"""A signed trail: who says that a Report follows from these weights, data and versions. No torch.

`statement` says it, `envelope` writes and reads it, `keys` and `keyless` sign and verify.
"""
