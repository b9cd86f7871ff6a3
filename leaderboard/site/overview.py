"""The pages across boards: index, claims beside measurements, activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboard.boards import Leaderboard
from leaderboard.seeds import gains_over_seeds
from leaderboard.site.activationsview import SLOPE_WIDTH, activations_view
from leaderboard.site.claimsview import claims_view
from leaderboard.site.guides import guide_pages
from leaderboard.site.indexview import index_view
from leaderboard.site.markup import render
from leaderboard.site.pictures import placed
from leaderboard.twins import Gain


def pages_across(
    found: Leaderboard, gains: Sequence[Gain], common: Mapping[str, Any]
) -> dict[str, str]:
    """Every page but those of boards and models; common: what every page shows."""
    index = {**common, **index_view(found, gains), "here": "index.html"}
    pages = {"index.html": render("index.html", index), **guide_pages(common)}
    claims, drawn = claims_view(found.boards)
    pictures = {
        name: placed(pages, name, drawn["data"][name], place="claims")
        for name in ("checks", "reported")
    }
    pages["claims.html"] = _page("claims", common, claims | {"pictures": pictures}, drawn)
    activations, drawn = activations_view(found.boards, gains, gains_over_seeds(found.boards))
    strips = drawn["strips"][0] if drawn["strips"] else []
    pictures = {
        "gains": placed(pages, "gains", drawn["data"]["gains"], place="activations"),
        "activations": placed(pages, "activations", {"points": strips}, place="activations"),
    }
    for i, (pair, slopes) in enumerate(zip(activations["pairs"], drawn["pairs"], strict=True)):
        data = {"points": slopes}
        pair["picture"] = placed(pages, "twins", data, place=f"pair-{i + 1}", width=SLOPE_WIDTH)
    pages["activations.html"] = _page(
        "activations", common, activations | {"pictures": pictures}, drawn
    )
    return pages


def _page(
    name: str, common: Mapping[str, Any], view: Mapping[str, Any], data: Mapping[str, Any]
) -> str:
    values = {**common, **view, "data": data, "here": f"{name}.html"}
    return render(f"{name}.html", values, scripts=("vega", "charts", name))
