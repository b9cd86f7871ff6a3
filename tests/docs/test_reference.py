"""Every field, flag, protocol, recipe and data set has its place in the documentation."""

import ast
import re
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from eval import Report, errors, protocol
from eval.data import DATA_SETS
from eval.protocols import NAMES
from eval.report.flag_codes import FLAGS, RANK
from tests.docs.pages import ROOT, text
from zoo.cli.shared.output import print_report

SECTIONS = dict(re.findall(r"^### ([a-z0-9-]+)\n(.*?)(?=^##|\Z)", text("flags.md"), re.M | re.S))


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The pydantic models that a field may hold, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def paths(model: type[BaseModel], before: str = "") -> set[str]:
    """Every field of a Report as a page names it: `stages[].name`."""
    found = set()
    for name, field in model.model_fields.items():
        here = before + (field.alias or name)
        inner = models_in(field.annotation)
        many = "[]" if "tuple" in str(field.annotation) else ""
        found |= {path for one in inner for path in paths(one, f"{here}{many}.")} or {here}
    return found


def listed(page: str) -> list[str]:
    """The names in the first cells of all tables of a page."""
    cells = re.findall(r"^\| (`.+?`) \|", page, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_every_field_of_a_report_is_explained_once() -> None:
    told = [name for name in listed(text("report.md")) if name not in VERDICTS]
    assert sorted(told) == sorted(paths(Report))


VERDICTS = {"clean", "apgd-ce", "robust", "right", "open"}


def test_a_field_that_is_added_would_be_missed() -> None:
    class Longer(Report):
        weather: str

    assert paths(Longer) - paths(Report) == {"weather"}
    assert {"stages[].rejected", "estimate.last_iterates.ci95", "schema"} <= paths(Report)


def test_every_flag_has_a_section_and_no_other() -> None:
    assert sorted(SECTIONS) == sorted(FLAGS)


@pytest.mark.parametrize("code", FLAGS)
def test_the_section_of_a_flag_says_what_the_code_says(code: str) -> None:
    section, rank = SECTIONS[code], RANK[code]
    meaning = FLAGS[code]
    assert section.startswith(f"\n{meaning.means}\n\n- **What to do**: {meaning.do}\n")
    assert f"- **Rank**: {'lost' if rank.is_lost else 'kept'}. {rank.why}\n" in section


def said_by_the_source() -> list[re.Pattern[str]]:
    """A pattern for every longer text of the packages; what is put in at run time is anything."""
    found = []
    for path in [p for room in ("eval", "zoo", "leaderboard") for p in (ROOT / room).rglob("*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            values = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [v.value if isinstance(v, ast.Constant) else None for v in values]
            if sum(len(t) for t in texts if isinstance(t, str)) >= 25:
                parts = [re.escape(t) if isinstance(t, str) else ".*" for t in texts]
                found.append(re.compile("".join(parts)))
    return found


SAID = said_by_the_source()


@pytest.mark.parametrize("code", FLAGS)
def test_the_example_of_a_flag_is_what_the_source_says_somewhere(code: str) -> None:
    (example,) = re.findall(rf"^> flag {code}: (.+)$", SECTIONS[code], re.MULTILINE)
    assert any(pattern.search(example) for pattern in SAID), example


def test_an_example_that_nothing_says_is_seen() -> None:
    wrong = "Square broke 2 pictures (0.6 points) that the other attacks overlooked"
    assert not any(pattern.search(wrong) for pattern in SAID)


def test_every_protocol_is_on_its_page() -> None:
    told = listed(text("protocols.md"))
    for name in NAMES:
        short = re.sub(r"\d+(@1)?$", "K", name) if name.startswith("pgd") else name
        assert short.removesuffix("@1") in told, name


@pytest.mark.parametrize(
    "name", ["autoattack", "autoattack-plus", "autoattack-rand", "quick", "pgd-10", "fgsm"]
)
def test_every_stage_of_a_protocol_is_explained(name: str) -> None:
    told = listed(text("protocols.md"))
    for stage in protocol(name).stages:
        assert re.sub(r"^pgd-\d+$", "pgd-K", stage.name) in told, stage.name


def test_every_data_set_is_on_its_page() -> None:
    assert set(DATA_SETS) <= set(listed(text("data.md")))


def test_the_table_of_recipes_says_what_the_recipes_say() -> None:
    rows = re.findall(
        r"^\| `(zoo/\S+)` \| .+? \| (\d+) \| (\d+) steps? of (\S+) \| (\S+) \|",
        text("training.md"),
        re.MULTILINE,
    )
    wanted = []
    for path in sorted((ROOT / "zoo" / "families").glob("*/recipe*.yaml")):
        recipe = yaml.safe_load(path.read_text("utf-8"))
        size = str(recipe["attack_step_size"])
        told = (recipe["epochs"], recipe["attack_steps"], size, recipe["attack_eps"])
        wanted.append((path.relative_to(ROOT).as_posix(), *map(str, told)))
    assert sorted(rows) == sorted(wanted)


def test_the_protocols_page_quotes_the_reports() -> None:
    shares = []
    for engine in ("autoattack", "autoattack-reference"):
        for model in ("resnet8-silu-sat-digits", "resnet8-relu-at-digits"):
            found = Report.read(ROOT / "leaderboard" / "results" / f"{model}.{engine}.json")
            assert found.robust is not None
            shares.append(f"{100 * found.robust.accuracy:.1f}")
    said = " ".join(text("protocols.md").split())
    assert "models keep {} and {} % here, {} and {} % under".format(*shares) in said


def test_the_report_of_the_page_is_the_committed_one(capsys: pytest.CaptureFixture[str]) -> None:
    stored = ROOT / "leaderboard" / "results" / "resnet8-silu-sat-digits.autoattack.json"
    print_report(Report.read(stored), None)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    for block in re.findall(r"```text\n(.*?)```", text("report.md"), re.DOTALL):
        for line in block.splitlines():
            assert line in shown, line


def test_exit_codes_are_those_of_the_errors() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text("commands.md"), re.MULTILINE)}
    codes = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.SatZooError)
    }
    assert codes <= told
