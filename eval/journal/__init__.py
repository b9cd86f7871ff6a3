"""Nothing that is known is lost: the journal of a run, its file, and whose it is."""
