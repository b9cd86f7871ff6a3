"""The commands of the leaderboard, thin: parse, call, print. Nothing here imports torch."""
