"""Write the tables of docs/small-network.md, and draw docs/small-network.svg.

    python docs/make_small_network.py

Our numbers come from the committed Reports, the paper's from the claims on the cards of its
ResNet-50. A difference is smooth minus ReLU in points, of the two models of one source.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from docs.tables import filled, head, line
from eval.report.percent import signed_points, signed_range
from leaderboard.boards import Board, boards
from leaderboard.columns import CLEAN
from leaderboard.compare import compare
from leaderboard.folders import RESULTS
from leaderboard.results import read_report
from leaderboard.seeds import GainOverSeeds, gains_over_seeds
from leaderboard.twins import Gain, twins
from zoo.cards import ModelCard

DOCS = Path(__file__).parent
PAGE, PICTURE = DOCS / "small-network.md", DOCS / "small-network.svg"

BOARD = "cifar10-jpeg-linf-8-255-full"
OURS, PAPERS = "resnet18-w16-{}-cifar10", "resnet50-{}"
ACTIVATIONS = (
    *("silu", "gelu", "gelu-exact", "elu", "celu", "mish", "softplus", "parametric-softplus"),
    "smoothrelu",
)
SHOWN = {CLEAN: "clean", "pgd-50": "PGD-50"}
"""The columns that both the release and our Reports have."""

GRADIENTS = {"the attacker": "attacker", "the optimizer": "optimizer", "both": "both"}
"""Whose derivative is smooth behind a forward pass that stays ReLU, and how cards call it."""

RELEASE, STUDY = "README", "table of gradient quality"
"""What the source of a claim says, as cards name it."""

OF_US, OF_OTHERS = "ours, 95 % interval", "the release"
COLOURS = {OF_US: "#0969da", OF_OTHERS: "#9a6700"}


@dataclass(frozen=True)
class Point:
    """What one activation gains over ReLU: ours with its 95 % interval, and as the paper's
    release says; in [-1, 1], None where nobody says. runs: pairs of training runs behind ours.
    of_seeds_alone: what one run of each may differ by for its seed, None where nobody knows.
    """

    activation: str
    attack: str
    ours: float | None
    interval: tuple[float, float] | None
    runs: int
    paper: float | None
    of_seeds_alone: float | None = None

    @property
    def says(self) -> str:
        """Whether ours agrees with the paper's."""
        if self.interval is None:
            return "cannot tell: not measured" if self.ours is None else "cannot tell"
        low, high = self.interval
        of_runs = "" if self.runs > 1 else ", in one run of each"
        if low <= 0 <= high:
            return f"cannot tell{of_runs}"
        if self.paper is None:
            return f"{'ahead' if low > 0 else 'behind'}{of_runs}{self._seed}; not published"
        agrees = low > 0 < self.paper or high < 0 > self.paper
        return f"{'agrees' if agrees else 'differs'}{of_runs}{self._seed}"

    @property
    def _seed(self) -> str:
        if self.runs > 1 or self.ours is None or self.of_seeds_alone is None:
            return ""
        return ", as a seed may do" if abs(self.ours) <= self.of_seeds_alone else ""


def points(found: Sequence[Board]) -> list[Point]:
    """One for each attack and activation."""
    ours = [gain for gain in twins(found) if gain.board == BOARD]
    over_seeds = _over_seeds(found)
    return [
        _point(activation, attack, ours, over_seeds)
        for attack in SHOWN
        for activation in ACTIVATIONS
    ]


def _over_seeds(found: Sequence[Board]) -> list[GainOverSeeds]:
    return [gain for gain in gains_over_seeds(found) if gain.board == BOARD]


def _point(
    activation: str, attack: str, gains: Sequence[Gain], over_seeds: Sequence[GainOverSeeds]
) -> Point:
    name = OURS.format(f"{activation}-sat")
    pair = next((it for it in gains if (it.model, it.protocol) == (name, attack)), None)
    several = next(
        (it for it in over_seeds if (it.model.model, it.protocol) == (name, attack)), None
    )
    best = several or pair
    return Point(
        activation,
        attack,
        ours=best.difference if best else None,
        interval=(best.low, best.high) if best else None,
        runs=len(several.model.accuracies) if several else int(pair is not None),
        paper=_published(f"{activation}-sat", attack, RELEASE),
        of_seeds_alone=of_seeds_alone(over_seeds, attack),
    )


def of_seeds_alone(over_seeds: Sequence[GainOverSeeds], attack: str) -> float | None:
    """What one run of each may differ by for its seed; the most that any pair here tells."""
    return max((it.of_seeds_alone for it in over_seeds if it.protocol == attack), default=None)


def gradient_points(found: Sequence[Board]) -> list[Point]:
    """Two for each row of the study of gradients: clean, and under attack.

    The paper's robust accuracy is under PGD-200.
    """
    over_seeds = _over_seeds(found)
    return [
        _gradient_point(title, kind, attack, of_seeds_alone(over_seeds, attack))
        for title, kind in GRADIENTS.items()
        for attack in SHOWN
    ]


def _gradient_point(title: str, kind: str, attack: str, seeds: float | None) -> Point:
    end = f"relu-smooth-{kind}-at"
    paper = _published(end, "pgd-200" if attack == "pgd-50" else attack, STUDY)
    paths = [RESULTS / f"{OURS.format(it)}.{attack}.json" for it in (end, "relu-at")]
    if not all(path.exists() for path in paths):
        return Point(title, attack, None, None, 0, paper)
    compared = compare(*map(read_report, paths))
    pair = compared.clean if attack == CLEAN else compared.robust
    assert pair is not None, "of all images"
    return Point(title, attack, pair.difference, pair.interval(), 1, paper, seeds)


def _published(end: str, attack: str, source: str) -> float | None:
    """What the models of the paper differ by that end in `end` and in "relu-at"."""
    smooth, relu = (_claim(PAPERS.format(it), attack, source) for it in (end, "relu-at"))
    return None if smooth is None or relu is None else smooth - relu


def _claim(name: str, attack: str, source: str) -> float | None:
    if name not in zoo.list_models():
        return None
    card: ModelCard = zoo.card(name)
    meant = [claim for claim in card.claims if source in claim.source]
    return next((claim.accuracy for claim in meant if claim.protocol == attack), None)


def table(found: Sequence[Point], attack: str) -> Iterator[str]:
    """Markdown, a line for each activation."""
    here, there = "here, ResNet-18 w16, CIFAR-10 JPEG:", "the release, ResNet-50, ImageNet:"
    yield from head("activation", here, there, "")
    for it in found:
        if it.attack == attack:
            yield line([it.activation, *_cells(it)])


def _cells(it: Point) -> list[str]:
    """Ours, the paper's, and whether they agree."""
    ours = "" if it.ours is None else signed_points(it.ours)
    ends = signed_range(*it.interval) if it.interval else ""
    theirs = "not published" if it.paper is None else signed_points(it.paper)
    here = f"{ours} ({ends})" if ends else "not measured yet"
    return [here, theirs, it.says]


def gradient_table(found: Sequence[Point]) -> Iterator[str]:
    """Markdown, a line for whom the derivative is smooth for, and for each column."""
    here, there = "here, ResNet-18 w16, CIFAR-10 JPEG:", "the paper, ResNet-50, ImageNet:"
    yield from head("smooth for", "", here, there, "")
    for attack, title in reversed(SHOWN.items()):
        under = "under attack" if attack != CLEAN else title
        yield from (
            line([it.activation, under, *_cells(it)]) for it in found if it.attack == attack
        )


def page(text: str, found: Sequence[Point], gradients: Sequence[Point]) -> str:
    """The page with its tables written anew."""
    tables = {title: table(found, attack) for attack, title in SHOWN.items()}
    return filled(text, {**tables, "gradients": gradient_table(gradients)})


def picture(found: Sequence[Point]) -> str:
    """As SVG: what each activation gains, with our intervals, clean and under attack."""
    import altair as alt
    import vl_convert

    panels = [_panel([it for it in found if it.attack == attack], attack) for attack in SHOWN]
    chart = alt.hconcat(*panels).configure(background="#ffffff").configure_view(stroke=None)
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg + "\n"


def _panel(found: Sequence[Point], attack: str) -> Any:
    import altair as alt

    rows = [row for it in found for row in _marks(it)]
    base = alt.Chart({"values": rows}).encode(
        y=alt.Y("activation:N", sort=list(ACTIVATIONS), title=None),
        yOffset=alt.YOffset("who:N", sort=list(COLOURS)),
        color=alt.Color(
            "who:N",
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
            legend=alt.Legend(title=None, orient="bottom"),
        ),
    )
    across = alt.X("gain:Q", title="smooth minus ReLU, points")
    ends = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2)
    zero = alt.Chart({"values": [{"x": 0}]}).mark_rule(color="#8c959f").encode(x="x:Q")
    layers = (
        zero,
        ends.encode(x=alt.X("low:Q", title=""), x2="high:Q"),
        base.mark_point(filled=True, size=60, opacity=1).encode(x=across),
    )
    return alt.layer(*layers).properties(width=300, height=260, title=SHOWN[attack])


def _marks(it: Point) -> Iterator[dict[str, Any]]:
    if it.ours is not None and it.interval is not None:
        low, high = (100 * end for end in it.interval)
        ends = {"low": low, "high": high}
        yield {"activation": it.activation, "who": OF_US, "gain": 100 * it.ours, **ends}
    if it.paper is not None:
        yield {"activation": it.activation, "who": OF_OTHERS, "gain": 100 * it.paper}


def main() -> None:
    """Write both."""
    measured = boards()
    found, gradients = points(measured), gradient_points(measured)
    PAGE.write_text(page(PAGE.read_text("utf-8"), found, gradients), "utf-8")
    PICTURE.write_text(picture(found), "utf-8")
    print(f"{PAGE} and {PICTURE}", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
