"""The fingerprint of a protocol: one digest over every hyper-parameter of every stage.

A name is what people call a protocol; the fingerprint is what was run. Two numbers are of one
attack only where it is equal, whatever the attack is called. No torch here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from eval.errors import UsageError
from eval.files.border import plain
from eval.stage import Stage, step_in_pixels

SHOWN = 12
"""Hexadecimal digits that people see of the 64, as of the digests of weights."""

PINNED: Mapping[str, str] = MappingProxyType(
    {
        "clean": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
        "fgsm": "31a08acaf7fde0419a6f02bd251553b705d03a4f96e5873507428eaafbe65fe5",
        "pgd-10": "4d4ce44803fc0e553e2bb77208e6185298f227fbc8ac032f91d7fe2a3f2681f4",
        "pgd-20": "b7b2a71cbd15a5516f383327c000122bfd95a6de718b3cd94d4e3940bf3c720f",
        "pgd-50": "550c1446cd7fe8e8da703fa5a9c5aa4ea3ce7719f8200432d520cc44949195cd",
        "pgd-sat-50@1": "b4460684d82697613bba9515f3f9bf630aa492bdc231b08621de3be4fa158ef4",
        "quick@1": "94b671f87bcd8d012bf8d2adcd0205757147b2c27ced9537c6fb45051f618223",
        "autoattack-standard@1": "1ef1c1c1d4450344a02c0b440be459feb6f9dd639906ed8f155ed82362fdf30f",
        "autoattack-plus@1": "1baf75c839c50b46427142afa4dddbd988953f586884817926278846beb3fb7a",
        "autoattack-rand@1": "61f0ba411512a7e3536f4e80f6ec7d485db8f2bf1a6d990a0a291581b4f9aad0",
        "apgd-ce@1": "adff269024397e21108aa687d60ed40913dc593fefd08e173cf120c66909a664",
        "apgd-dlr@1": "aa8c494da11485debee9cc652c69c67bc12636b8a7aa5b7e74b117c5d2d85101",
        "apgd-t@1": "279423bc839581da01f0ecf3859e1190c06ea3eba677a8813bf189c4d39ead47",
        "fab@1": "a57cbf0752a5e15a4cbb55d842168e934ce299ca2cd1fbc1eeab3fe239350ad6",
        "fab-t@1": "98a550f703181152be4a9d6e704862504047784e0a1c280eed869d7640cdc1b8",
        "square@1": "c195fde8aa3e68908cc9ec441afa00e0558db8ecbc014925ffd237550538b6c9",
        "pgd-100": "9d9c48f711a8478742d03b696680d7c1b319e4a7d84a4c69d02404eac8abf68e",
        "pgd-sat-10@1": "c8c1e7e6187fca6df37e61210f876f2c8c44996e8066e0f8af415cfb4dfcc214",
        "pgd-sat-20@1": "a846165632ecace738522c26515434fc36bd986b52c0af1d415d4edff5a6d211",
        "pgd-sat-200@1": "ee89720c07f87821c91530881cec5d6778b37b918f43836604546950c21ebb97",
    }
)
"""Of every protocol that has been published under a name: its numbers never change under it.

A test compares this with `eval.protocols`: a change there is a new version, and a new line here.
"""


def fingerprint(stages: Sequence[Stage]) -> str:
    """SHA-256, in hexadecimal digits, of the stages in their order, with every field they write.

    Of JSON with sorted keys, no spaces and only ASCII. A field that a Stage leaves out where it
    says nothing is not in it, so that fields which come later change no fingerprint of before.
    """
    fields = [stage.model_dump(mode="json") for stage in stages]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def short(digest: str) -> str:
    """What people see of a fingerprint: "#3f2a90c1b2d4"."""
    return f"#{digest[:SHOWN]}"


def protocol_id(name: str, stages: Sequence[Stage]) -> str:
    """Name, version and fingerprint: "autoattack-standard@1#3f2a90c1b2d4"."""
    return f"{name}{short(fingerprint(stages))}"


def deciding(stages: Sequence[Stage], eps: float) -> tuple[Stage, ...]:
    """The stages as they decide verdicts in a ball of radius `eps`, in pixel units of [0, 1].

    Two texts of a step can say one number there, as 1/255 and eps/4 at 4/255, and `last_iterate`
    only adds a number, see `Stage`: of stages that differ in nothing else the results are
    of one attack. Nothing else is forgiven.
    """
    return tuple(_deciding(stage, eps) for stage in stages)


def _deciding(stage: Stage, eps: float) -> Stage:
    if stage.attack != "pgd":
        return stage
    usual = stage.step_size
    try:
        if math.isclose(step_in_pixels(stage, eps), eps / 4):
            usual = "eps/4"
    except UsageError:
        pass  # whoever asks for that attack is told
    return stage.model_copy(update={"last_iterate": False, "step_size": usual})


def differences(there: Sequence[Stage], here: Sequence[Stage]) -> tuple[str, ...]:
    """A phrase for each field in which they differ: "apgd-ce: steps 100 there, 50 here".

    Stages are told apart by their names; of those that both have, the order too must be the same.
    """
    theirs, ours = ({stage.name: stage for stage in stages} for stages in (there, here))
    found = [f"stage {plain(name)} there, none here" for name in theirs if name not in ours]
    found += [f"stage {plain(name)} here, none there" for name in ours if name not in theirs]
    for name, stage in theirs.items():
        if name in ours:
            found += [f"{plain(name)}: {it}" for it in _fields(stage, ours[name])]
    if not found and list(theirs) != list(ours):
        orders = [plain(", ".join(names), 200) for names in (theirs, ours)]
        found.append(f"order {orders[0]} there, {orders[1]} here")
    return tuple(found)


def _fields(there: Stage, here: Stage) -> list[str]:
    theirs, ours = there.model_dump(mode="json"), here.model_dump(mode="json")
    return [
        f"{name} {_said(theirs.get(name))} there, {_said(ours.get(name))} here"
        for name in dict.fromkeys([*theirs, *ours])
        if theirs.get(name) != ours.get(name)
    ]


def _said(value: Any) -> str:
    return "none" if value is None else plain(str(value), 80)
