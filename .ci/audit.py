"""What pip-audit found, judged: `python .ci/audit.py FOUND.json`.

Ends with 1 for a known vulnerability of a package that pyproject.toml names, if a version without
it exists: then there is something to do, and we are who does it. One without a remedy, or of a
package that others bring along, is printed and stops nobody: no change here would mend it. The tool
calls it "no known vulnerabilities" where it could ask nobody; here that is said as what it is.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def main() -> int:
    """The exit code."""
    code, lines = judged(json.loads(Path(sys.argv[1]).read_text()), direct())
    sys.stdout.write("\n".join(lines) + "\n")
    return code


def direct() -> set[str]:
    """The names that pyproject.toml asks for, of every extra too."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    wishes = chain(project["dependencies"], *project["optional-dependencies"].values())
    return {normal(re.split(r"[^\w.-]", wish, maxsplit=1)[0]) for wish in wishes}


def judged(found: dict[str, Any], named: set[str]) -> tuple[int, list[str]]:
    """The exit code, and what to print."""
    packages = found["dependencies"]
    asked = [one for one in packages if "vulns" in one]
    if not asked:
        reason = packages[0].get("skip_reason", "it gave no reason") if packages else "no package"
        return 0, [f"no audit: nobody could be asked about {len(packages)} packages ({reason})"]
    lines, code = [f"{len(asked)} of {len(packages)} packages could be asked about"], 0
    for one in asked:
        for fault in one["vulns"]:
            better = ", ".join(fault.get("fix_versions") or ()) or "no version"
            is_ours = normal(one["name"]) in named
            must = is_ours and better != "no version"
            whose = "named in pyproject.toml" if is_ours else "brought along by another"
            lines.append(
                f"{'FAULT' if must else 'note'}: {one['name']} {one['version']} ({whose}):"
                f" {fault['id']}, mended in {better}"
            )
            code = max(code, int(must))
    return code, lines


def normal(name: str) -> str:
    """A package's name in the one spelling of an index."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
