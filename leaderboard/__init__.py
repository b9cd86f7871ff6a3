"""Measured against published. `results/` holds the Reports that our documents quote."""

from sat_zoo import check_ours

for _name in ("eval", "zoo"):
    check_ours(_name)
