"""The pages for those who submit and those who ask: how to hand in a Report, and the FAQ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaderboard.site.markup import render
from leaderboard.site.terms import TERMS

WORKFLOW = Path(__file__).parent / "workflow.yml"
"""What a repository that takes Reports lets GitHub run."""

CHECKED = (
    "It is a Report, with every field in its range: no number that is not finite, no count below"
    " zero, no date that is none or lies ahead, no name that cannot be printed or is longer than"
    " 200 characters.",
    "Every total follows from the verdicts of the images: clean and robust accuracy, what each"
    " stage attacked, broke and left, and the intervals.",
    "The passes through the model are at least as many as these verdicts take.",
    "The stages are those of the protocol that it names, with every setting; another step size or"
    " fewer steps make another name.",
    "Ids, labels and pixels are those of the data set, where it is a known one (digits, CIFAR-10,"
    " ImageNet), and all Reports of one board are of the same pixels.",
    "Weights are those of the zoo's model, where it names one; nobody else's model may carry such a"
    " name.",
    "It is no second Report of a run that is here already, and no estimate in the place of an exact"
    " number.",
)
"""What `sat-zoo leaderboard check` looks at, as the page says it."""


def guide_pages(common: Mapping[str, Any]) -> dict[str, str]:
    """submit.html and faq.html; common: what every page shows."""
    views: Mapping[str, Mapping[str, Any]] = {
        "submit.html": {"checked": CHECKED, "workflow": WORKFLOW.read_text("utf-8").rstrip()},
        "faq.html": {"words": TERMS.items(), "citation": citation(common)},
    }
    return {name: render(name, {**common, **view, "here": name}) for name, view in views.items()}


def citation(common: Mapping[str, Any]) -> str:
    """The leaderboard as a BibTeX entry, with the day on which this page was built."""
    built = str(common["built"])
    return "\n".join(
        (
            "@misc{satzoo-leaderboard,",
            "  title  = {The sat-zoo leaderboard of adversarial robustness},",
            "  author = {{The sat-zoo authors}},",
            f"  year   = {{{built[:4]}}},",
            f"  note   = {{sat-zoo {common['version']}, built {built}}},",
            "}",
        )
    )
