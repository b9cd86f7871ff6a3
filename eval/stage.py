"""One attack with its hyper-parameters, as protocols list it and Reports keep it. No torch here."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from eval.errors import UsageError
from eval.frozen import Frozen
from eval.radius import parse

MOST = 10**9
"""Of steps, restarts and the like: more than anybody lives to see."""

LONGEST_STEP = 100
"""Characters of a step size: two numbers and what stands around them."""

LONGEST_NAME = 180
"""Characters of a stage's name; a list of stages is called by all of theirs."""

_OF_OTHERS = ("package", "class_name", "options", "defaults")


class Stage(Frozen):
    """One attack with its hyper-parameters; fields that an attack does not use are None."""

    name: str = Field(
        min_length=1, max_length=200, description="how verdicts call it, for example apgd-ce"
    )
    attack: str = Field(
        pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="a name of eval.attacks.registry"
    )
    loss: Literal["ce", "dlr", "dlr-targeted", "margin", "margin-targeted"] | None = None
    steps: int = Field(
        ge=1, le=MOST, strict=True, description="gradient steps of one run, or queries of Square"
    )
    restarts: int = Field(
        default=1, ge=1, le=MOST, strict=True, description="runs from different random starts"
    )
    targets: int | None = Field(
        default=None, ge=1, le=MOST, strict=True, description="target classes, most likely first"
    )
    nearest_of: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        strict=True,
        description="APGD: the targets are, of this many most likely classes, those whose boundary"
        " with the label is nearest to first order, and the nearest is attacked first",
    )
    step_size: str | None = Field(
        default=None,
        max_length=LONGEST_STEP,
        description='"eps/4", "eps", a number "1/255", or the larger: "max(A, B)"',
    )
    random_start: bool | None = None
    eot: int = Field(
        default=1,
        ge=1,
        le=MOST,
        strict=True,
        description="gradients averaged for a randomised model",
    )
    rho: float | None = Field(
        default=None, ge=0, le=1, strict=True, description="APGD: share of steps that must improve"
    )
    p_init: float | None = Field(
        default=None, ge=0, le=1, strict=True, description="Square: first share of changed pixels"
    )
    fallback_loss: Literal["margin"] | None = Field(
        default=None,
        description="PGD, FGSM: what to follow in a step where the gradient of `loss` is zero"
        " everywhere, or NaN or infinite in places",
    )
    last_iterate: bool = Field(
        default=False,
        strict=True,
        description="PGD: whether broken images go on to the end of their run, so that the accuracy"
        " of last iterates is known; older files do not say it, and went on",
    )
    package: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_NAME,
        description="the package that brings the attack, with its version; none of this project's",
    )
    class_name: str | None = Field(
        default=None,
        pattern="^[A-Za-z_][A-Za-z0-9_]{0,79}$",
        description="the attack's class in the library that `attack` names; see eval.foreign."
        " `steps` is then 1 and says nothing: how long it searches stands in its options",
    )
    options: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9_=&/*.+-]*$",
        max_length=LONGEST_NAME,
        description="what is said to that class besides the ball, NAME=VALUE&NAME=VALUE",
    )
    defaults: str | None = Field(
        default=None,
        max_length=2000,
        description="what that class takes for whatever its options leave open",
    )

    @model_validator(mode="after")
    def _targets_are_among_those_looked_at(self) -> Self:
        if self.nearest_of is not None and not 0 < (self.targets or 0) <= self.nearest_of:
            raise ValueError(
                f"nearest_of is {self.nearest_of} and targets is {self.targets}: targets are chosen"
                " among at least as many classes"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_before_later_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Fields that came later are left out where they say nothing: older digests stay."""
        written: dict[str, Any] = dump(self)
        for name in ("fallback_loss", "last_iterate", "nearest_of", *_OF_OTHERS):
            if not getattr(self, name):
                written.pop(name, None)
        return written

    @property
    def needs_last_iterate(self) -> bool:
        """Whether the numbers of this stage hold that of last iterates; pgd-sat is known by it."""
        return self.last_iterate or self.attack == "pgd-sat"


def step_in_pixels(stage: Stage, eps: float) -> float:
    """The step size of `stage` in pixel units of [0, 1], for a ball of radius `eps`.

    Raises `UsageError` for a text that is neither "eps", "eps/N", "eps*N", a positive number nor
    the "max(A, B)" of two of these.
    """
    text = re.sub(r" *([/*,()]) *", r"\1", (stage.step_size or "eps").strip(" "))
    larger = re.fullmatch(r"max\(([^,]+),([^,]+)\)", text)
    sizes = [_size(part, eps) for part in (larger.groups() if larger else (text,))]
    if min(sizes) <= 0:
        raise UsageError(f"step size {text!r} is not a positive number: write eps/4, eps, or 1/255")
    return max(sizes)


def _size(text: str, eps: float) -> float:
    """One size in pixel units; 0 where the text is none."""
    try:
        if text.startswith("eps/"):
            return eps / float(parse(text[4:]))
        if text.startswith("eps"):
            return eps * float(parse(text[3:].removeprefix("*") or "1"))
        return float(parse(text))
    except (ValueError, ZeroDivisionError):
        return 0.0
