"""The Report, what it is made of, and how its numbers are written."""
