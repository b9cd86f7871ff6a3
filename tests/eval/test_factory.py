import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from eval.errors import ModelError, UsageError
from eval.factory import make_model, parse_options

MODULE = """
import torch
from torch import nn

class Halved(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.fc = nn.Linear(4, width)

    def forward(self, x):
        return self.fc(x) / 2

def build(width=3):
    return Halved(width)

def broken():
    raise ValueError("no weights\\nin the cupboard")

def leaves():
    raise SystemExit(3)

weights = {"fc": 1}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a module of the user's in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    (tmp_path / "homemade").mkdir()
    (tmp_path / "homemade" / "nets.py").write_text(MODULE)
    (tmp_path / "homemade" / "torn.py").write_text("import nothing_of_this_name\n")
    for name in ("homemade", "homemade.nets", "homemade.torn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_factory_of_the_current_directory_is_found_and_its_model_frozen(here: Path) -> None:
    model = make_model("homemade.nets:build", {"width": 5})
    assert model(torch.rand(2, 4)).shape == (2, 5)
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_a_module_that_puts_something_else_in_its_place_is_taken(here: Path) -> None:
    (here / "swapped_nets.py").write_text(
        "import sys\nfrom types import SimpleNamespace\nfrom torch import nn\n"
        "sys.modules[__name__] = SimpleNamespace(build=lambda: nn.Linear(1, 1))\n"
    )
    assert isinstance(make_model("swapped_nets:build"), nn.Linear)
    del sys.modules["swapped_nets"]


def test_the_name_is_the_only_positional_argument() -> None:
    assert isinstance(make_model("torch.nn:Flatten"), nn.Flatten)
    with pytest.raises(UsageError, match="unknown model 'nosuch'"):
        make_model("zoo:load", {"device": "cpu"}, name="nosuch")


def test_option_values_are_json_where_they_parse_and_text_where_not() -> None:
    pairs = ["width=16", "depth=2.5", "flag=true", "path=./w.pt", "list=[1, 2]", "eq=a=b", "none="]
    assert parse_options(pairs) == {
        "width": 16, "depth": 2.5, "flag": True, "path": "./w.pt", "list": [1, 2], "eq": "a=b",
        "none": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["width"], "`options` 'width' is not KEY=VALUE"),
        (["a b=1"], "`options` 'a b=1' is not KEY=VALUE"),
        (["a=1", "a=2"], "`options` a is given twice"),
    ],
)
def test_an_option_that_cannot_be_is_refused(pairs: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_options(pairs)


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        ("homemade.nets", UsageError, "is not MODULE:FUNCTION: write for example"),
        (":build", UsageError, "is not MODULE:FUNCTION"),
        ("../nets:build", UsageError, "is not MODULE:FUNCTION"),
        ("homemade.nots:build", UsageError, "there is no module homemade.nots: name one that is"),
        ("nowhere.nets:build", UsageError, "there is no module nowhere: name one"),
        # A folder, which Python takes for a package where nothing else has the name.
        ("homemade:build", UsageError, "there is no module homemade: name one"),
        ("homemade.nets:bild", UsageError, "the module homemade.nets has no bild: name a function"),
        ("homemade.nets:weights", UsageError, "weights cannot be called: name a function"),
        ("builtins:dict", UsageError, "made a dict, no torch.nn.Module"),
        ("homemade.torn:build", ModelError, "cannot be imported: homemade.torn failed with Module"),
        ("homemade.nets:broken", ModelError, "failed with ValueError: no weights in the cupboard;"),
        ("homemade.nets:leaves", ModelError, "failed with SystemExit: 3; see where with"),
    ],
)
def test_a_factory_that_makes_no_model_is_one_sentence(
    here: Path, factory: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        make_model(factory)
    assert "\n" not in str(caught.value)
