"""How much a command says beside its result: -q, -v, and what lies between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from eval.errors import UsageError
from zoo.cli.shared.console import QUIET, say

PACKAGES = ("eval", "zoo")

_VERBOSE = "sat_zoo.verbose"


def voice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -q and -v, which change what `remark`, bars and the library's log show."""
    for option in (
        click.option(
            "--verbose",
            "-v",
            is_flag=True,
            expose_value=False,
            callback=_verbose,
            help="Say more on stderr: device, batch size and precision that were chosen, how the"
            " fast copy of the model was proven, where weights, images and journal lie.",
        ),
        click.option(
            "--quiet",
            "-q",
            is_flag=True,
            expose_value=False,
            callback=_quiet,
            help="Nothing but the result and errors: no progress, and no remarks on images, journal"
            " and engine; what touches a number is a flag of the result in any case.",
        ),
    ):
        command = option(command)
    return command


def _quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[QUIET] = value
    _check(context)


def _verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[_VERBOSE] = value
    _check(context)
    if value:
        context.with_resource(_log_told())


def _check(context: click.Context) -> None:
    if context.meta.get(QUIET) and context.meta.get(_VERBOSE):
        raise UsageError("--quiet and --verbose ask for opposite things: leave one out")


class _Teller(logging.Handler):
    """Says each entry of a log on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


@contextmanager
def _log_told() -> Iterator[None]:
    """What the packages log is told as sentences on stderr while the block runs."""
    teller = _Teller()
    loggers = [logging.getLogger(name) for name in PACKAGES]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(teller)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(teller)
            logger.setLevel(level)
