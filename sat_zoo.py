"""The start of `sat-zoo`: are its packages found under their names, or something of the user's?

`eval`, `zoo` and `leaderboard` are words that people give to their own files; where one lies in a
folder that Python searches first, it would be run in place of ours, and fail as "not a package".
This module lies outside of the three, under a name that nobody gives to a file, so that it is met
before any of them. `python -m sat_zoo` is `sat-zoo` too. Standard library only.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

__all__ = ["PACKAGES", "check_ours", "main", "shadow"]

PACKAGES = ("eval", "zoo", "leaderboard")

_ROOT = Path(__file__).parent


def main() -> None:
    """`zoo.cli.main`, or one sentence about the file that would be run in place of ours."""
    for said in filter(None, map(shadow, ("eval", "zoo"))):
        sys.exit(f"sat-zoo: {said}")
    try:
        from zoo.cli import main as run
    except (OSError, MemoryError) as error:  # with too few descriptors or too little memory
        sys.exit(f"sat-zoo: cannot start: {str(error) or 'there is not enough memory'}")
    run()


def shadow(name: str, root: Path = _ROOT) -> str:
    """One sentence on what is found instead of our package `name`, "" where it is ours.

    root: the folder in which our packages lie. Nothing is imported, and none of it is run.
    """
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # imported by something that left no spec
        spec = None
    if spec is None or spec.origin is None:
        loaded = getattr(sys.modules.get(name), "__file__", None)
        places = list(spec.submodule_search_locations or ()) if spec else []
        found = Path(loaded or (places or ["?"])[0])
    else:
        found = Path(spec.origin)
    ours = root / name / "__init__.py"
    if found == ours or (found.exists() and ours.exists() and found.samefile(ours)):
        return ""
    if not ours.exists():
        return f"sat-zoo's package {name} is missing from {root}: install sat-zoo again"
    what = found.parent if found.name == "__init__.py" else found
    return (
        f"{what} hides sat-zoo's package of the same name, {name}: rename it, or run Python from"
        " another folder and take that one out of PYTHONPATH"
    )


def check_ours(name: str) -> None:
    """Raises `ImportError` with that sentence; ends a command line that is just being started."""
    said = shadow(name)
    if not said:
        return
    # While `python -m zoo` imports the package, argv[0] is "-m"; there is nobody to catch an error.
    started_as = sys.argv[0] if sys.argv else ""
    if started_as == "-m" or Path(started_as).stem == "sat-zoo":
        sys.exit(f"sat-zoo: {said}")
    raise ImportError(said, name=name)


if __name__ == "__main__":
    main()
