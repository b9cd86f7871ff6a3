"""Measured against published. `results/` holds the Reports that our documents quote.

The way of a Report to what people see, each file taking from the one before it: `eval.report` reads
it and checks its totals; `results` keeps it if it can be what it says; `join` makes it part of a
row; `boards` ranks the rows; `site.boardview` makes the page of a board, `terminal` its screen.
"""

from sat_zoo import check_ours

for _name in ("eval", "zoo"):
    check_ours(_name)
