"""ImageNet: its layouts, its labels, and what proves them."""
