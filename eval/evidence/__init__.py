"""Adversarial images that travel: packed without loss, bound to a Report, replayed by anybody."""
