"""The calculation of `eval.planning.scale` as Markdown, for eval/README.md."""

from __future__ import annotations

from eval.planning.scale import (
    EFFICIENTNET_L1,
    RESNET_50,
    ImageFiles,
    Machines,
    Network,
    staged,
    took,
)
from eval.planning.scale_bytes import moved

GPUS = (1, 8, 64, 512)
BEGIN, END = "<!-- scale:begin -->", "<!-- scale:end -->"


def tables() -> str:
    """Both tables: the work of each stage, and what it takes on 1 to 512 GPUs."""
    networks = (RESNET_50, EFFICIENTNET_L1)
    return "\n\n".join((_work(networks, ImageFiles()), _times(networks, ImageFiles(), Machines())))


def _work(networks: tuple[Network, ...], images: ImageFiles) -> str:
    lines = [
        "| model | stage | images | fall | forwards, 10⁶ | backwards, 10⁶ | in fp32, 10⁶ | EFLOP |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for network in networks:
        for stage in staged(network, images):
            passes = stage.passes
            forwards = passes.forwards + passes.exact_forwards
            backwards = passes.backwards + passes.exact_backwards
            exact = passes.exact_forwards + passes.exact_backwards
            flop = 2 * network.multiply_adds * (forwards + backwards)
            lines.append(
                f"| {network.name} | {stage.name} | {stage.attacked:,.0f} | {stage.broken:,.0f}"
                f" | {forwards / 1e6:,.2f} | {backwards / 1e6:,.2f} | {exact / 1e6:,.2f}"
                f" | {flop / 1e18:,.3g} |"
            )
    return "\n".join(lines)


def _times(networks: tuple[Network, ...], images: ImageFiles, machines: Machines) -> str:
    lines = [
        "| model | GPUs | hours | of that passes | barrier | reading | driver | bottleneck"
        " | weights sent | events | images saved | read by a machine |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for network in networks:
        stages = staged(network, images)
        for n in GPUS:
            time = took(stages, network, n, machines)
            size = moved(stages, network, images, n, machines)
            shares = (time.passes, time.barrier, time.reading, time.driver)
            cells = (
                *(f"{part / time.lasts:.0%}".replace("%", " %") for part in shares),
                time.bottleneck,
                *(_size(one) for one in (size.start, size.events, size.saved, size.read)),
            )
            lines.append(f"| {network.name} | {n} | {_hours(time.lasts)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hours(lasts: float) -> str:
    return f"{lasts / 3600:,.3g}" if lasts < 3.6e6 else f"{lasts / 3600:,.0f}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.3g} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.3g} MB"
