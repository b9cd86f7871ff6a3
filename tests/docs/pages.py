"""The pages of the documentation, as text."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TOLD = [*PAGES, ROOT / "README.md", ROOT / "eval/README.md", *sorted((ROOT / "zoo").rglob("*.md"))]
"""All that a user reads: whatever of it is a command must be one."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
