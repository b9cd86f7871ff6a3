"""How we compare with others: `python -m eval.bench` runs them and us in turns, in one process."""
