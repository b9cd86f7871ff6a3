"""The README's main command, tried in small: if this works, so does the whole."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.doctor.findings import Line, died

DEFAULT_MODEL = "resnet8-silu-sat-digits"
COMMAND = f"sat-zoo eval {DEFAULT_MODEL} --attack autoattack"
N_IMAGES = 32
MIN_CORRECT = N_IMAGES // 2
"""The model classifies 99 % correctly; half would be a broken build of torch."""


def lines() -> Iterator[Line]:
    """Load the bundled model and show it some digits."""
    try:
        yield _trial()
    except Exception as problem:  # whatever is wrong with torch, timm or the files
        yield died("trial", problem, needed=True)


def _trial() -> Line:
    import torch

    from eval.data import open_data
    from zoo.loading import load

    batch = open_data("digits").take(N_IMAGES).batch(range(N_IMAGES))
    with torch.inference_mode():
        n_correct = int((load(DEFAULT_MODEL)(batch.x).argmax(1) == batch.y).sum())
    says = f"{DEFAULT_MODEL} loads and is right on {n_correct} of {N_IMAGES} digits"
    if n_correct >= MIN_CORRECT:
        return Line(name="trial", mark="ok", says=says, needed=True, facts={"correct": n_correct})
    return Line(
        name="trial",
        mark="broken",
        says=says,
        fix="this build of torch computes wrongly; install another one",
        needed=True,
        facts={"correct": n_correct},
    )
