"""One door to the measurement: the command `sat-zoo eval` and Python get the same Report.

No torch at import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.ending import EarlyEnd
from eval.errors import UsageError
from eval.files.paths import AnyPath, path_of
from eval.files.writing import check_writable
from eval.foreign import check_installed, foreign_stages, refuse_elsewhere
from eval.narrowing import check_narrowing
from eval.protocols import Protocol, protocol
from eval.radius import Number
from eval.threat import Norm, Threat, is_norm
from zoo.choice import Choice, choose
from zoo.foreign.stated import Stated
from zoo.journals import journal_place
from zoo.pictures import Selection
from zoo.ready import load_both

if TYPE_CHECKING:
    import torch

    from eval.data import ImageSet
    from eval.data.given import DataLike
    from eval.engine.engine import Precision
    from eval.estimate import Estimate
    from eval.executors.crew import Workplace
    from eval.files.download import OnProgress
    from eval.functions import ModelLike
    from eval.report.report import Report
    from eval.request import EngineName
    from eval.run import Progress
    from zoo.cards import ModelCard


def evaluate(
    model: AnyPath | ModelLike | Choice,
    *,
    attack: str = "autoattack",
    images: DataLike | Selection | None = None,
    data: AnyPath | None = None,
    data_dir: AnyPath | None = None,
    n: int | None = None,
    ids: AnyPath | Sequence[str] | None = None,
    balanced: bool = False,
    classes: AnyPath | None = None,
    allow_partial: bool = False,
    skip_corrupt: bool = False,
    download: bool = False,
    download_to: AnyPath | None = None,
    decoders: int | None = None,
    eps: Number | None = None,
    norm: Norm | None = None,
    step_size: Number | None = None,
    last_iterate: bool = False,
    engine: EngineName = "fast",
    precision: Precision = "auto",
    seed: int = 0,
    batch_size: int | None = None,
    device: str | torch.device = "cpu",
    name: str | None = None,
    out: AnyPath | None = None,
    save_adversarial: AnyPath | None = None,
    journal: AnyPath | bool | None = True,
    fresh: bool = False,
    until: float | str | Callable[[Estimate], bool] | None = None,
    budget: str | timedelta | None = None,
    plot: AnyPath | None = None,
    allow_probabilities: bool = False,
    weights: AnyPath | None = None,
    arch: str | None = None,
    arch_args: Mapping[str, Any] | None = None,
    activation: str | None = None,
    n_classes: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    interpolation: str | None = None,
    crop_pct: float | None = None,
    strip_prefix: str | None = None,
    command: str = "",
    progress: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_download: OnProgress | None = None,
    on_message: Callable[[str], None] | None = None,
    executor: Workplace | None = None,
) -> Report:
    """Measure the clean and robust accuracy of a model, exactly as `sat-zoo eval` does.

    Threat, preprocessing and images are those of the model's card where nothing else is said.

    Args:
        model: a name that `zoo.load` takes, as of `zoo.list_models()`, a file that ends in
            .safetensors, what `zoo.load` returned, or a `torch.nn.Module` of your own: in eval
            mode, images (B, C, H, W) in [0, 1] -> logits (B, K). Also a function that does this.
        attack: a protocol: clean, fgsm, pgd-K, autoattack ...; see `eval.protocols.protocol`.
        images: an image set, a pair x (N, C, H, W) in [0, 1] and y (N,), a `Dataset` or a
            `DataLoader`, as `eval.evaluate` takes them, to measure on instead of what the next
            eleven arguments choose; or these in one `zoo.pictures.Selection`.
        data, data_dir, n, ids, balanced, classes, allow_partial, skip_corrupt, download,
            download_to, decoders: which images, see `zoo.images`; data is needed where the model
            has no card that says it.
        eps, norm: of the ball, "8/255" (or 8 / 255) and "Linf" (or inf); default the card's own,
            and an error where there is none. One needs the other where the card's norm is another.
        step_size: of pgd-K: "eps/N", or in pixel units "1/255".
        last_iterate: of pgd-K: attack broken images to the end of their run, for the accuracy of
            last iterates that many papers count.
        engine, precision, seed, batch_size, device, allow_probabilities, progress: see
            `eval.evaluation.evaluate`.
        name: what the Report calls a model of your own; default its class.
        out, save_adversarial: files for the Report and for the adversarial images.
        journal: True keeps each verdict in SAT_ZOO_HOME/journals, so that the same call goes on
            after whatever ended it; a file or folder keeps them there; False or None nowhere.
            Of a function, which cannot be told from another one, nothing is kept.
        fresh: forget what the journal holds.
        until, budget: end before the last image, with an interval: once it is this many points
            wide to either side, or after this time; see `eval.evaluation.evaluate`.
        plot: draw how the interval narrowed into this file, .svg or .png.
        weights, arch, arch_args, activation, n_classes, size, mean, std, interpolation, crop_pct,
            strip_prefix: what `zoo.load` takes (n_classes is its `classes`). Of an own model
            measured on pictures of many sizes: size, interpolation, crop_pct, channels.
        command: what the Report says of how it was made.
        on_progress, on_download: called with a `Progress` after each batch; see `zoo.images`.
        on_message: called with sentences for people, about the images and the journal.
        executor: where the passes are computed; None for this process, a
            `eval.executors.cluster.RayExecutor` for many machines. The verdicts are the same.

    Raises:
        UsageError: an argument that cannot be, or something that must be said is not.
        ModelError: a model that is no classifier, or one of `zoo.load` whose weights were changed
        since and which got no `name`. And what `zoo.load`, `zoo.images` and
        `eval.evaluation.evaluate` raise.

    """
    selection = Selection(
        data=data,
        data_dir=data_dir,
        n=n,
        ids=ids,
        balanced=balanced,
        classes=classes,
        allow_partial=allow_partial,
        skip_corrupt=skip_corrupt,
        download=download,
        download_to=download_to,
        decoders=decoders,
    )
    # What can be wrong with these is found out before anything is read or fetched.
    out, plot = path_of(out, "out"), path_of(plot, "plot")
    save_adversarial = path_of(save_adversarial, "save_adversarial")
    plan = protocol(attack, step_size=step_size, last_iterate=last_iterate)
    check_ending(plan, until, budget, plot, engine)
    check_installed(plan.stages)
    if executor is not None:
        refuse_elsewhere(plan.stages)
    if norm is not None and eps is not None:
        Threat.of(norm, eps)
    chosen = _chosen(images, selection)
    stated = Stated(
        arch=arch,
        arch_args=arch_args,
        activation=activation,
        n_classes=n_classes,
        size=size,
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
        interpolation=interpolation,
        crop_pct=crop_pct,
        strip_prefix=strip_prefix,
    )
    choice = choose(model, stated, name=name, weights=weights, channels=channels, images=chosen)
    threat = check(choice.card, norm, eps, out, save_adversarial)
    device = str(device)

    from eval.evaluation import evaluate as measure
    from eval.executors.crew import check_elsewhere

    if executor is not None:
        check_elsewhere(executor, engine, device)
    if foreign_stages(plan.stages):
        from eval.bridges.libraries import resolved

        resolved(plan.stages, threat)  # a class or option that is not there is found out now
    ready = load_both(choice, device, chosen, on_download, on_message, executor=executor)

    found = ready.loaded
    kept = journal if plan.stages or not isinstance(journal, bool) else None
    return measure(
        found.model,
        ready.images,
        attack=attack,
        eps=threat.eps_text,
        norm=threat.norm,
        step_size=step_size,
        last_iterate=last_iterate,
        engine=engine,
        precision=precision,
        seed=seed,
        batch_size=batch_size,
        device=device,
        name=found.card.name,
        source=found.source,
        file_sha256=found.file_sha256,
        command=command,
        out=out,
        allow_probabilities=allow_probabilities,
        journal=journal_place(kept, found.model),
        fresh=fresh,
        until=until,
        budget=budget,
        plot=plot,
        save_adversarial=save_adversarial,
        progress=progress,
        on_progress=on_progress,
        on_message=on_message,
        executor=executor,
    )


def check(
    info: ModelCard,
    norm: Norm | None,
    eps: Number | None,
    out: Path | None,
    save_adversarial: Path | None,
) -> Threat:
    """The ball; raises what is wrong and can be known without torch, before anything is fetched."""
    threat = threat_of(info, norm, eps)
    if out is not None:
        check_writable(out)
    if save_adversarial is not None:
        check_writable(save_adversarial, "save_adversarial")
    return threat


def check_ending(
    plan: Protocol,
    until: float | str | Callable[[Estimate], bool] | None,
    budget: str | timedelta | None,
    plot: Path | None,
    engine: EngineName,
) -> None:
    """Raises what is wrong with how an evaluation is to end early, or to be drawn."""
    EarlyEnd.of(until, budget, plan, engine)
    if plot is not None:
        check_narrowing(plot, plan)


def threat_of(info: ModelCard, norm: Norm | None, eps: Number | None) -> Threat:
    """The ball that was said, else the card's own. Raises `UsageError` where one is missing."""
    own = info.threat
    if own is None and (norm is None or eps is None):
        raise UsageError(
            f"model {info.name!r} has no threat model of its own: give `norm='Linf'` `eps='8/255'`"
        )
    if own is not None and norm is not None and eps is None and not is_norm(norm, own.norm):
        raise UsageError(
            f"`norm` {norm} without `eps`: the model's own eps {own.eps} is for {own.norm};"
            " give `eps` too"
        )
    own_norm, own_eps = (own.norm, own.eps) if own else ("", "")
    return Threat.of(own_norm if norm is None else norm, own_eps if eps is None else eps)


def _chosen(images: DataLike | Selection | None, selection: Selection) -> Selection | ImageSet:
    """What is measured on; raises `UsageError` if images are given and others are chosen too."""
    if images is None:
        return selection
    for field in fields(selection):
        value = getattr(selection, field.name)
        if value is not None and value is not False:
            raise UsageError(
                f"{field.name} {value!r} chooses images, and images= gives them: leave one out"
            )
    if isinstance(images, Selection):
        return images
    from eval.data import as_images

    return as_images(images, argument="images")
