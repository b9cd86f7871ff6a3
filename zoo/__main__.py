"""`python -m zoo ...` is `sat-zoo ...`."""

import sys

from zoo.cli import main

if __name__ == "__main__":
    sys.argv[0] = "sat-zoo"
    main()
