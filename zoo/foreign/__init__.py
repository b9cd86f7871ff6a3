"""Models that are not of the zoo: what their user states, what their repository says."""
