import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from zoo.doctor import software
from zoo.doctor.software import extras, install_line, requirements, versions


class Installed:
    """What the metadata of sat-zoo would say."""

    def __init__(self, needs: list[str], record: dict[str, Any] | None = None) -> None:
        self.needs, self.record = needs, record
        self.metadata = metadata.distribution("sat-zoo").metadata

    def read_text(self, name: str) -> str | None:
        return json.dumps(self.record) if self.record and name == "direct_url.json" else None


def pretend(
    monkeypatch: pytest.MonkeyPatch, needs: list[str], record: dict[str, Any] | None = None
) -> None:
    fake = Installed(needs, record)
    monkeypatch.setattr(software, "requires", lambda name: fake.needs)
    monkeypatch.setattr(software, "distribution", lambda name: fake)


def test_versions_are_those_that_are_installed() -> None:
    lines = {line.name: line for line in versions()}
    for name in ("torch", "torchvision", "timm", "huggingface-hub"):
        assert lines[name].mark == "ok"
        assert lines[name].says == metadata.version(name)
    assert lines["python"].says.startswith(".".join(map(str, sys.version_info[:3])))
    assert lines["other packages"].facts["pydantic"] == metadata.version("pydantic")


def test_a_package_that_is_missing_or_too_old_comes_with_its_command(monkeypatch) -> None:
    pretend(monkeypatch, ["torch>=99", "timm>=1", "no-such-package>=3; python_version>'3'"])
    lines = {line.name: line for line in versions()}
    assert lines["torch"].mark == "broken"
    assert lines["torch"].says.endswith("needs >=99")
    assert lines["torch"].fix == "pip install 'torch>=99'"
    others = lines["other packages"]
    assert others.says == "no-such-package is not installed"
    assert others.fix == "pip install 'no-such-package>=3'"
    assert others.needed


def test_a_package_that_cannot_be_imported_is_broken(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    line = next(line for line in versions() if line.name == "torchvision")
    assert line.mark == "broken"
    assert "cannot be imported (ModuleNotFoundError" in line.says
    assert line.fix.startswith("pip install --force-reinstall torchvision")


def test_what_decodes_pictures_has_a_line() -> None:
    line = next(line for line in versions() if line.name == "decoders")
    assert (line.mark, line.needed) == ("ok", False)
    assert line.says.startswith(f"pillow {metadata.version('pillow')} (libjpeg-turbo ")
    assert line.says.endswith(f"simplejpeg {metadata.version('simplejpeg')}")


def test_without_the_decoder_of_efficientnets_the_line_says_what_happens(monkeypatch) -> None:
    monkeypatch.setattr(software, "installed", lambda: "")
    line = next(line for line in versions() if line.name == "decoders")
    assert (line.mark, line.needed) == ("broken", False)
    assert "Pillow decodes them instead, and the Report is flagged" in line.says
    assert line.fix.startswith("pip install ")
    pretend(monkeypatch, ["simplejpeg>=99"])
    line = next(line for line in versions() if line.name == "decoders")
    assert line.mark == "broken"
    assert line.fix == "pip install 'simplejpeg>=99'"


def test_an_old_python_is_said(monkeypatch) -> None:
    monkeypatch.setattr(software.platform, "python_version", lambda: "3.8.1")
    line = next(versions())
    assert (line.mark, line.needed) == ("broken", True)
    assert line.fix == "install sat-zoo into a Python >=3.11"


def test_every_extra_of_the_metadata_has_a_line() -> None:
    names = metadata.distribution("sat-zoo").metadata.get_all("Provides-Extra")
    lines = list(extras())
    assert [line.name for line in lines] == names
    assert {"bench", "leaderboard", "parquet"} <= set(names or ())
    assert all(line.mark == "ok" or line.fix.startswith("pip install ") for line in lines)
    assert not any(line.needed for line in lines)


def test_an_extra_is_what_its_condition_adds(monkeypatch) -> None:
    needs = [
        "click",
        "gone>=1; extra=='bench'",
        "torch>=99; extra=='leaderboard'",
        "tqdm; extra=='x'",
    ]
    pretend(monkeypatch, needs)
    assert [wish.name for wish in requirements()] == ["click"]
    assert [wish.name for wish in requirements("bench")] == ["gone"]
    lines = {line.name: line for line in extras()}
    assert (lines["bench"].mark, lines["bench"].says) == ("missing", "gone is not installed")
    assert lines["bench"].facts["missing"] == ("gone>=1",)
    assert lines["leaderboard"].mark == "broken"


def test_the_install_line_is_for_the_way_it_was_installed(monkeypatch, tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    clone.mkdir()
    (clone / "pyproject.toml").touch()
    folder = {"url": clone.as_uri(), "dir_info": {}}
    editable = {"url": clone.as_uri(), "dir_info": {"editable": True}}
    git = {"url": "https://example.org/sat-zoo", "vcs_info": {"vcs": "git"}}
    said = {}
    for name, record in {"none": None, "folder": folder, "editable": editable, "git": git}.items():
        pretend(monkeypatch, [], record)
        said[name] = install_line("bench")
    assert said == {
        "none": "pip install '.[bench]' in a clone of sat-zoo",
        "folder": f"pip install '{clone}[bench]'",
        "editable": f"pip install -e '{clone}[bench]'",
        "git": "pip install 'sat-zoo[bench] @ git+https://example.org/sat-zoo'",
    }
    monkeypatch.chdir(clone)
    pretend(monkeypatch, [], folder)
    assert install_line("bench") == "pip install '.[bench]'"
    (clone / "pyproject.toml").unlink()
    assert install_line("bench") == said["none"]
