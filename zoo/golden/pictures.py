"""The fixed picture files that a card's preprocessing is asked about. No torch here.

`draw.py` made them. They are files and not pixels, since a model that scores like noise may owe it
to whatever lies between the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eval.errors import SatZooError
from eval.files.border import border, read_bytes
from zoo.cards import InputSpec

__all__ = ["DIGESTS", "FOLDER", "Drawn", "pictures", "set_for"]

FOLDER = Path(__file__).with_name("drawn")

DIGESTS: Mapping[str, Mapping[str, str]] = {
    "photo": {
        "0-landscape.jpg": "bd67f6928216a8845c09d65dcfe21806f4b9d4a64adf2b994dd6a1f8b47008c0",
        "1-portrait.png": "bcef356e915a9150195f4206c240545e77502e032a869556c9eee36214ae0492",
        "2-portrait.jpg": "c965433f4c4e473bcd7070914f004e5536ab259d5b8037c11982fdf408871d3e",
        "3-small.png": "536c2cb2923a5597925778f144216177f62cb8f1d93411ca46d72626fe47acd8",
        "4-small.jpg": "58ba6f32514ab1377eefcfb247c06ca1875aaf6dca518f8cd772902a90f1d90b",
        "5-grey.png": "5593cefd4512237438b597a1a634de72f70b354c85f52c1242211cbd7dbec6a0",
        "6-turned.jpg": "1a9d3604332fc5bcf11bfc8e9d6f0ccbd35952d1c50d265a2001b006a747e0b5",
        "7-long-grey.jpg": "d69e9429fcd3376b9c1eb83438f806ec7998eb730e894dee6394fc398e27b016",
    },
    "32x32-rgb": {
        "0.png": "0077b95f1f3bf25888aa086b9739af3c75c340f9878fdfae3d1591091f720763",
        "1.png": "b112aab77741418074bef7f5c19428482e41f92d5006dd0c60ab295158ea2943",
        "2.png": "389e0edf53f7d4f7e412f80b9a5140b7937209f1aa118fad3521441b6c9cb10a",
        "3.jpg": "732eee4fb1aab56b6fd5c16cc8be7830cfae92b6d15cd4e8e0754afb73574113",
        "4.png": "1ff09c9a102fd675b4d04605a67fefbfd702796852213c4dcfbc2517aa3fae3e",
        "5.png": "f55f6929219869bac0ccad2b4dcab32f23d2939d01ad2225b6a3d554f63965aa",
        "6.png": "4551f2d4947d33654a12b32227df7efda8094689bee886a8f8b7dff5d755e368",
        "7.jpg": "e4b8b49520984532fb5427de07f3e3d5438ae58ec01060ccffdd952b2fe2559b",
    },
    "8x8-grey": {
        "0.png": "c44208b9654f43a31f8a3a87b23f604c325e30442bc4fd11baf3d800d2247bb7",
        "1.png": "0e6509fe4be990eb4e26458291486b0d3d160263836a8ecb9d466e79ced23ebe",
        "2.png": "0dfe35985ec03b27f20ecba346947821c821c764cbafe462832dd06578fb9f76",
        "3.jpg": "518e2adc4dd0d2345cf34d6c2cfc5757e25192a1b0caa4caebd58a04b1c11a52",
        "4.png": "a989470777556c0339233974759efe46c0b09ea648256ae6da677762723c3b8a",
        "5.png": "e962877be769806464072787189a44ac62aa983356adf086293f0c3f9d2c9885",
        "6.png": "01500a4d8f786200f19c3163b9f7834a9a678205848aea5765956fa8ca0574cb",
        "7.jpg": "c79d75994f982be92c85e170b56187dab7bfb50aa15c3e94131899bc94e854cf",
    },
}
"""SHA-256 of each picture of each set, in their order."""


@dataclass(frozen=True)
class Drawn:
    """A picture file. name: with its set, "photo/3-small.png"."""

    name: str
    content: bytes = field(repr=False)

    @property
    def is_jpeg(self) -> bool:
        """Whether its pixels depend on a decoder."""
        return self.name.endswith(".jpg")


def set_for(spec: InputSpec) -> str | None:
    """The set of pictures for models that take `spec`; None if there is none for them.

    Models that resize take "photo". Others take pictures of exactly their size: that of CIFAR-10,
    or of the digits.
    """
    if spec.preprocess != "none":
        return "photo"
    kind = {1: "grey", 3: "rgb"}.get(spec.channels)
    name = f"{spec.size}x{spec.size}-{kind}"
    return name if name in DIGESTS else None


def pictures(name: str) -> tuple[Drawn, ...]:
    """The eight pictures of a set.

    Raises `SatZooError` if a file of the package is missing or another.
    """
    found = []
    for file, sha256 in DIGESTS[name].items():
        path = FOLDER / name / file
        with border(path, SatZooError, "reinstall sat-zoo"):
            content = read_bytes(path, "picture_bytes")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SatZooError(f"{path} is not the picture of this package: reinstall sat-zoo")
        found.append(Drawn(f"{name}/{file}", content))
    return tuple(found)
