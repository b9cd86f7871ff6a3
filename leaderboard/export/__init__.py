"""The leaderboard as files for people and programs: Markdown, CSV, JSON and LaTeX."""

from leaderboard.export.as_csv import to_csv
from leaderboard.export.as_json import to_json
from leaderboard.export.as_latex import to_latex
from leaderboard.export.as_markdown import HOW_TO_ADD, to_markdown
from leaderboard.export.files import write_all

__all__ = ["HOW_TO_ADD", "to_csv", "to_json", "to_latex", "to_markdown", "write_all"]
