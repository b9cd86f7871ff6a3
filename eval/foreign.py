"""Attacks of other libraries by name, `LIBRARY:CLASS?OPTION=VALUE&...`: read without importing any.

Torch-free: a typo must not cost seconds. `eval.bridges` finds the class and runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from eval.errors import UsageError, unknown
from eval.radius import parse, text_of
from eval.stage import LONGEST_NAME, Stage

Value = int | float | bool | str | None


@dataclass(frozen=True)
class Library:
    """One whose attacks can be stages.

    distribution: what pip calls it. install: the command. classes: where its attacks are.
    """

    distribution: str
    install: str
    classes: str


LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {
        # Its own requirements contradict ours: it pins an old requests.
        "torchattacks": Library(
            "torchattacks", "pip install --no-deps torchattacks", "torchattacks"
        ),
        "foolbox": Library("foolbox", "pip install 'sat-zoo[bridges]'", "foolbox.attacks"),
        "art": Library(
            "adversarial-robustness-toolbox",
            "pip install 'sat-zoo[bridges]'",
            "art.attacks.evasion",
        ),
    }
)

MOST_OPTIONS = 20

EXAMPLE = "torchattacks:PGD?steps=20"

_OF_THE_RUN = frozenset(
    {
        "batch_size",
        "classifier",
        "criterion",
        "device",
        "distance",
        "eps",
        "epsilons",
        "estimator",
        "max_epsilon",
        "model",
        "n_classes",
        "nb_classes",
        "norm",
        "summary_writer",
        "targeted",
        "verbose",
    }
)
"""What the run says, so that no option can say another thing."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}", re.ASCII)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_OF_EPS = re.compile(r"eps(?:([/*])(.+))?", re.ASCII)


def is_foreign(stage: Stage) -> bool:
    """Whether another library's attack carries out this stage."""
    return stage.class_name is not None


def foreign_stages(stages: Iterable[Stage]) -> list[Stage]:
    """Those of them that other libraries carry out."""
    return [stage for stage in stages if is_foreign(stage)]


def foreign_stage(text: str) -> Stage:
    """The stage that `text` names, "torchattacks:PGD?steps=20"; with options by name.

    Nothing is imported: whether there are such a class and such options, `eval.bridges` says.
    Raises `UsageError` for another library, and for options that cannot be or are the run's.
    """
    library, _, rest = text.partition(":")
    class_name, mark, said = rest.partition("?")
    library = library.strip().lower()
    if library not in LIBRARIES:
        raise unknown("library", library, LIBRARIES, see=f"write for example {EXAMPLE}")
    if not _NAME.fullmatch(class_name):
        raise UsageError(
            f"attack {text[:80]!r} names no class of {library}: write for example {EXAMPLE}"
        )
    options = _options(text, said) if mark else {}
    joined = "&".join(f"{name}={value}" for name, value in sorted(options.items()))
    name = f"{library}:{class_name}" + f"?{joined}" * bool(joined)
    if len(name) > LONGEST_NAME:
        raise UsageError(
            f"attack {name[:60]!r}... has {len(name)} characters, more than {LONGEST_NAME}: leave"
            " out options that say what the library does anyway"
        )
    return Stage(name=name, attack=library, steps=1, class_name=class_name, options=joined or None)


def _options(text: str, said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    parts = said.split("&")
    if len(parts) > MOST_OPTIONS:
        raise UsageError(f"attack {text[:60]!r}... has more than {MOST_OPTIONS} options")
    for part in parts:
        name, is_there, value = (one.strip() for one in part.partition("="))
        if not is_there or not _NAME.fullmatch(name):
            raise UsageError(
                f"attack {text[:120]!r}: {part[:60]!r} is no option: write {EXAMPLE}, and several"
                " with & between them"
            )
        if name in _OF_THE_RUN:
            raise UsageError(
                f"attack {text[:120]!r}: {name} is not for an option to say: the ball is that of"
                " the run, `eps` and `norm`, and so are its images, classes and batches; leave"
                f" {name} out"
            )
        if name in found:
            raise UsageError(f"attack {text[:120]!r} gives {name} twice: give it once")
        found[name] = _canonical(text, name, value)
    return found


def _canonical(text: str, name: str, value: str) -> str:
    """The one text of a value."""
    if value.lower() in {"true", "false", "none"}:
        return value.lower()
    try:
        if of_eps := _OF_EPS.fullmatch(value.replace(" ", "")):
            sign, number = of_eps.groups()
            if number is not None and parse(number) <= 0:
                raise ValueError
            return f"eps{sign}{text_of(parse(number))}" if number else "eps"
        if _WHOLE.fullmatch(value):
            return str(int(value))
        # Without the plus of 1e+16, which stands between the stages of a list.
        return (
            text_of(parse(value)) if "/" in value else f"{float(parse(value))!r}".replace("+", "")
        )
    except ValueError:
        if _WORD.fullmatch(value):
            return value
    raise UsageError(
        f"attack {text[:120]!r}: the value of {name} is {value[:40]!r}: give a number, 2/255,"
        " eps/4, true, false, none or a word"
    )


def values(options: str | None, eps: float) -> dict[str, Value]:
    """What `Stage.options` says, as Python's values; eps: the radius in pixel units of [0, 1]."""
    pairs = (part.partition("=") for part in (options or "").split("&") if part)
    return {name: _value(text, eps) for name, _, text in pairs}


def _value(text: str, eps: float) -> Value:
    known: dict[str, Value] = {"true": True, "false": False, "none": None}
    if text in known:
        return known[text]
    if of_eps := _OF_EPS.fullmatch(text):
        sign, number = of_eps.groups()
        factor = float(parse(number)) if number else 1.0
        return eps / factor if sign == "/" else eps * factor
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        return float(parse(text))
    except ValueError:
        return text


def check_installed(stages: Iterable[Stage]) -> None:
    """Raises `UsageError` with the command that installs it where a library is missing."""
    for stage in foreign_stages(stages):
        package_of(stage)


def package_of(stage: Stage) -> str:
    """The library of a foreign stage with its version, "torchattacks 3.5.1"; raises as above."""
    library = LIBRARIES[stage.attack]
    try:
        return f"{stage.attack} {version(library.distribution)}"
    except PackageNotFoundError:
        raise UsageError(
            f"attack {stage.name!r} is of {library.distribution}, which is not installed:"
            f" {library.install}"
        ) from None


def refuse_foreign(stages: Iterable[Stage], what: str, why: str) -> None:
    """Raises `UsageError` where a stage is another library's.

    what: an argument that cannot be beside it, in backticks. why: half a sentence.
    """
    for stage in foreign_stages(stages):
        raise UsageError(f"{what} beside attack {stage.name!r}: {why}; leave one of the two out")


def refuse_plan(stages: Iterable[Stage]) -> None:
    """The same of a plan: how long others take is not known before they have done it."""
    refuse_foreign(
        stages, "a plan", "how many passes an attack of another library makes cannot be told before"
    )


def refuse_elsewhere(stages: Iterable[Stage]) -> None:
    """The same of workers elsewhere, which cut batches otherwise than this process would."""
    refuse_foreign(
        stages,
        "`executor`",
        "its verdicts depend on its batches, which several machines would cut otherwise",
    )


def as_typed(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """`stages` without what only an installed package can say of them: its version, its defaults.

    A Report has both, and its protocol's name has neither.
    """
    return tuple(stage.model_copy(update={"package": None, "defaults": None}) for stage in stages)
