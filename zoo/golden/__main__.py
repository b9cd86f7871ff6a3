"""Write the golden logits of the bundled weights anew: `python -m zoo.golden [NAME ...]`.

For maintainers, after a change that is meant to change them.
"""

from __future__ import annotations

import sys

from eval.files.writing import write_atomically
from zoo.golden.record import record
from zoo.loading import load
from zoo.registry import FAMILIES, card, list_models
from zoo.weights.beside import golden_beside

for name in sys.argv[1:] or list_models():
    bundled = card(name).bundled
    if bundled is not None:
        path = FAMILIES / card(name).family / bundled.file
        golden = record(load(name, check=False), bundled.sha256)
        write_atomically(golden_beside(path), golden.to_bytes())
