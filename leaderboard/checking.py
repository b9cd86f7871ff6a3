"""Whether a Report can be what it says: of its protocol, its data set, its model and its flags.

That its parts agree among themselves is `eval.report`'s matter, which has read it.
"""

from __future__ import annotations

import hashlib

from eval.errors import ReportError
from eval.official import check_images
from eval.report.chance import is_guessing
from eval.report.known import check_protocol
from eval.report.report import Report
from leaderboard.bundled import bundled_digest, bundled_name, known_card
from zoo.cards import ModelCard

_FIRST = "2026"
"""The year before which nobody wrote a Report of this kind."""

_NO_WEIGHTS = hashlib.sha256().hexdigest()
"""What `eval.definition.weights_sha256` says of a model without a tensor."""


def check(report: Report) -> None:
    """Refuse what cannot be.

    Raises `ReportError` with the reason, without the file's name: a protocol or stages that we do
    not know, images that are not those of the data set, a model that is not that of its card,
    weights that are none, a date before there were Reports, numbers whose flag is missing.
    """
    check_protocol(report)
    check_images(report)
    _check_weights(report)
    _check_model(report)
    _check_date(report)
    _check_flags(report)


def _check_weights(report: Report) -> None:
    model = report.model
    if not model.parameters and model.source != "factory":
        raise ReportError(
            f"model.parameters is 0, but its weights are said to come from a {model.source}:"
            " evaluate the model itself"
        )
    if model.parameters and model.weights_sha256 == _NO_WEIGHTS:
        raise ReportError(
            f"model.weights_sha256 is {_NO_WEIGHTS[:12]}, the digest of no weights at all, but the"
            f" model has {model.parameters:,} parameters"
        )


def _check_model(report: Report) -> None:
    info, model = known_card(report.model.name), report.model
    if info is None:
        if model.source == "bundled":
            raise ReportError(f"no weights are bundled with a model named {model.name!r}")
        return
    if model.source == "factory":
        raise ReportError(
            f"its model, of a function or module of somebody's own, is called {info.name}, as a"
            " model of the zoo is: evaluate it under a name of its own"
        )
    facts = (
        ("parameters", model.parameters, info.parameters),
        ("classes", model.classes, info.classes),
    )
    for what, found, wanted in facts:
        if found != wanted:
            raise ReportError(
                f"model.{what} is {found}, but the card of {info.name} says {wanted}: a model of"
                " the zoo was not what ran"
            )
    if model.source == "bundled":
        _check_bundled(report, info)
    else:
        _check_brought(report, info)


def _check_bundled(report: Report, info: ModelCard) -> None:
    file = info.bundled.sha256 if info.bundled else None
    for what, found, wanted in (
        ("weights_sha256", report.model.weights_sha256, bundled_digest(info)),
        ("file_sha256", report.model.file_sha256 or file, file),
    ):
        if found != wanted:
            raise ReportError(
                f"model.{what} is {str(found)[:12]}, but the weights bundled with {info.name} have"
                f" {str(wanted)[:12]}: those are not what ran"
            )


def _check_brought(report: Report, info: ModelCard) -> None:
    """Weights from a file, the store or the Hub under a name of the zoo: no bundled model's."""
    found = report.model.weights_sha256
    own = bundled_digest(info)
    if found == own:
        return
    if other := bundled_name(found):
        raise ReportError(
            f"its model is called {info.name}, but model.weights_sha256 is {found[:12]}, that of"
            f" the weights which are bundled with {other}: evaluate that model by its name"
        )
    if own is not None:
        raise ReportError(
            f"model.weights_sha256 is {found[:12]}, but the weights bundled with {info.name} have"
            f" {own[:12]}: evaluate other weights under a name of their own"
        )


def _check_date(report: Report) -> None:
    if report.created < _FIRST:
        raise ReportError(
            f"created is {report.created}, when there were no Reports yet: set the clock right and"
            " write it again"
        )


def _check_flags(report: Report) -> None:
    """Only what costs a rank and follows from the numbers themselves."""
    clean, codes = report.clean, {flag.code for flag in report.flags}
    is_chance = not clean.correct or is_guessing(*clean.ci95, 1 / report.model.classes)
    if is_chance and "clean-at-chance" not in codes:
        raise ReportError(
            f"clean accuracy is {clean.correct} of {clean.n} images, as of a model that guesses,"
            " and the flag clean-at-chance is missing: evaluate again"
        )
