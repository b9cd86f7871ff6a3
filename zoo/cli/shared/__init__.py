"""What several commands share: how options are read, and how a terminal is written to."""
