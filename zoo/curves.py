"""One door to curves: the command `sat-zoo curve` and Python get the same. No torch at import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.bars import shown
from eval.curves.plan import CurvePlan, Said, curve_plan
from eval.errors import UsageError
from eval.files.paths import AnyPath, path_of
from eval.files.writing import check_writable
from eval.ignored import refuse_ignored
from eval.plots import check_plot
from eval.radius import Number
from eval.threat import Norm, is_norm
from zoo.cards import ModelCard
from zoo.choice import Choice, choose
from zoo.journals import journal_place
from zoo.pictures import Selection
from zoo.ready import Ready, load_both

if TYPE_CHECKING:
    import torch

    from eval.curves.curve import Curve
    from eval.data import ImageSet
    from eval.data.given import DataLike
    from eval.engine.engine import Precision
    from eval.executors.crew import Workplace
    from eval.files.download import OnProgress
    from eval.functions import ModelLike
    from eval.request import EngineName
    from eval.run import Progress


def curve(
    model: AnyPath | ModelLike | Choice,
    other: AnyPath | ModelLike | Choice | None = None,
    *,
    eps: Said | None = None,
    steps: str | int | Sequence[int] | None = None,
    attack: str | None = None,
    norm: Norm | None = None,
    step_size: Number | None = None,
    check: bool = True,
    images: DataLike | Selection | None = None,
    data_dir: AnyPath | None = None,
    n: int | None = None,
    engine: EngineName = "fast",
    precision: Precision = "auto",
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device = "cpu",
    out: AnyPath | None = None,
    plot: AnyPath | None = None,
    journal: AnyPath | bool | None = True,
    fresh: bool = False,
    allow_probabilities: bool = False,
    command: str = "",
    progress: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_download: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
    executor: Workplace | None = None,
) -> Curve:
    """Measure accuracy against eps, or against the steps of PGD, exactly as `sat-zoo curve` does.

    Args:
        model: as in `zoo.evaluate`; of a file, or a model of your own that wants more said of it,
            what `zoo.choice.choose` returns.
        other: a second model, on the same images under the same threat; the curve then has the
            paired difference of the two at each point.
        eps, steps, attack, step_size, check: see `eval.curve`. With `steps`, eps is by default the
            card's own.
        norm: default the card's own.
        images: as in `zoo.evaluate`; else data_dir and n choose of the card's data set.
        out, plot: files for the curve as JSON, and drawn, as .svg or .png.
        journal: True keeps each verdict in SAT_ZOO_HOME/journals/curves, so that the same call goes
            on after whatever ended it; a folder keeps them there; False or None nowhere.
        The others: see `zoo.evaluate`.

    Raises as `eval.curve` and `zoo.evaluate`; `UsageError` for two models that are not measured on
    the same images or under the same threat.

    """
    chosen = _chosen(images, data_dir, n)
    choices = [choose(one, images=chosen) for one in (model, other) if one is not None]
    cards = [choice.card for choice in choices]
    out, plot = path_of(out, "out"), path_of(plot, "plot")
    plan = check_curve(
        cards, eps, steps, attack, norm=norm, step_size=step_size, out=out, plot=plot
    )
    refuse_ignored(None, engine=engine, precision=precision)
    device = str(device)

    from eval.curves.measure import curve as measure
    from eval.executors.crew import check_elsewhere

    if executor is not None:
        check_elsewhere(executor, engine, device)
    ready = [
        load_both(one, device, chosen, on_download, on_message, executor=executor)
        for one in choices
    ]
    _check_same_images(ready)
    found = None
    with shown(progress, on_progress) as tell, executor or nullcontext():
        for which, one in zip("AB", ready, strict=False):
            mine = measure(
                one.loaded.model,
                one.images,
                eps=eps if steps is None else plan.points[0].threat.eps_text,
                steps=steps,
                attack=attack,
                norm=plan.points[0].threat.norm,
                step_size=step_size,
                check=check,
                engine=engine,
                precision=precision,
                seed=seed,
                batch_size=batch_size,
                device=device,
                name=one.loaded.card.name,
                source=one.loaded.source,
                file_sha256=one.loaded.file_sha256,
                command=command,
                allow_probabilities=allow_probabilities,
                # Not where those of `evaluate` lie, which hold verdicts without adversarial images.
                journal=journal_place(journal, one.loaded.model, "curves"),
                fresh=fresh,
                progress=False,
                on_progress=_told(tell, which if other is not None else ""),
                on_message=on_message,
                executor=executor,
            )
            found = mine if found is None else found.beside(mine)
    assert found is not None
    if out is not None:
        found.write(out)
    if plot is not None:
        from eval.curves.draw import draw

        draw(found, plot)
    return found


def check_curve(
    cards: Sequence[ModelCard],
    eps: Said | None,
    steps: str | int | Sequence[int] | None,
    attack: str | None,
    *,
    norm: Norm | None,
    step_size: Number | None,
    out: Path | None,
    plot: Path | None,
) -> CurvePlan:
    """The points; raises what is wrong and can be known without torch, before anything is fetched.

    cards: of the one or two models; the first says the norm, and along steps the eps, if nobody
    else does.
    """
    own = cards[0].threat
    if norm is None and own is None:
        raise UsageError(
            f"model {cards[0].name!r} has no threat model of its own: give `norm='Linf'`"
        )
    for info in cards[1:]:
        if norm is None and (info.threat is None or own is None or info.threat.norm != own.norm):
            raise UsageError(
                f"{cards[0].name} and {info.name} have not one norm of their own: give"
                " `norm='Linf'`"
            )
        if steps is not None and eps is None and info.threat != own:
            raise UsageError(
                f"{cards[0].name} and {info.name} have not one eps of their own: give `eps='8/255'`"
            )
    if steps is not None and eps is None and own is not None:
        if norm is not None and not is_norm(norm, own.norm):
            raise UsageError(
                f"`norm` {norm} without `eps`: the model's own eps {own.eps} is for {own.norm};"
                " give `eps` too"
            )
        eps = own.eps
    said = norm if norm is not None or own is None else own.norm
    plan = curve_plan(
        eps, steps, attack, norm="Linf" if said is None else said, step_size=step_size
    )
    if out is not None:
        check_writable(out)
    if plot is not None:
        check_plot(plot)
    return plan


def _told(on_progress: Callable[[Progress], None], which: str) -> Callable[[Progress], None]:
    """The progress of one of two models, said to be its."""
    if not which:
        return on_progress
    return lambda now: on_progress(replace(now, stage=f"{which} {now.stage}"))


def _chosen(
    images: DataLike | Selection | None,
    data_dir: AnyPath | None,
    n: int | None,
) -> Selection | ImageSet:
    if images is None:
        return Selection(data_dir=data_dir, n=n)
    if data_dir is not None or n is not None:
        raise UsageError(
            "`data_dir` and `n` choose images, and images= gives them: leave these out"
        )
    if isinstance(images, Selection):
        return images
    from eval.data import as_images

    return as_images(images, argument="images")


def _check_same_images(ready: Sequence[Ready]) -> None:
    first = ready[0].images
    for one in ready[1:]:
        mine = one.images
        if (mine.name, mine.split, mine.ids) != (first.name, first.split, first.ids):
            raise UsageError(
                f"{ready[0].loaded.card.name} is measured on {first!r} and"
                f" {one.loaded.card.name} on {mine!r}: give both the same images, by `data` and `n`"
            )
