"""`python -m zoo.train NAME ...` is `sat-zoo train NAME ...`, in a form that torchrun can start."""

import sys

from zoo.cli import main

if __name__ == "__main__":
    sys.argv[:1] = ["sat-zoo", "train"]
    main()
