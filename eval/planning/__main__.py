"""`python -m eval.planning REPORT.json ...` writes `eval/planning/shares.json` anew.

The Reports are those of the leaderboard: python -m eval.planning leaderboard/results/*.json
"""

import sys
from pathlib import Path

from eval.errors import SatZooError
from eval.files.writing import write_atomically
from eval.planning.shares import FILE, shares_of
from eval.report.report import Report

if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m eval.planning REPORT.json ...")
    paths = [Path(argument) for argument in sys.argv[1:]]
    try:
        shares = shares_of((path.name, Report.read(path)) for path in paths)
        write_atomically(FILE, shares.to_json().encode())
    except SatZooError as error:
        sys.exit(f"error: {error}")
    n = sum(len(protocol.reports) for protocol in shares.protocols)
    sys.stdout.write(f"{FILE.name}: {n} of {len(paths)} Reports\n")
