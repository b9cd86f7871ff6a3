"""Which versions are installed, and which extras; read from the package's own metadata."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from zoo.doctor.findings import Line, Mark, halves
from zoo.tfjpeg import installed

PACKAGE = "sat-zoo"
IMPORTED = ("torch", "torchvision", "timm", "huggingface-hub")
"""These get a line each and are imported: binaries that do not fit each other fail only then."""


def versions() -> Iterator[Line]:
    """Python, sat-zoo, the packages of `IMPORTED`, decoders, and all else in one line."""
    yield _python()
    yield Line(name=PACKAGE, mark="ok", says=version(PACKAGE), facts={"version": version(PACKAGE)})
    wanted = {_normal(wish.name): wish for wish in requirements()}
    for name in IMPORTED:
        yield _imported(wanted.pop(name, Requirement(name)))
    yield _decoders(wanted.pop("simplejpeg", Requirement("simplejpeg")))
    yield _others(list(wanted.values()))


def extras() -> Iterator[Line]:
    """One line an extra: what it needs, and how to install what is not here."""
    for extra in distribution(PACKAGE).metadata.get_all("Provides-Extra") or []:
        states = [(wish, *state(wish)) for wish in requirements(extra)]
        faults = [(wish, mark, says) for wish, mark, says in states if mark != "ok"]
        if faults:
            marks = {mark for _, mark, _ in faults}
            yield Line(
                name=extra,
                mark="broken" if "broken" in marks else "missing",
                says=", ".join(f"{wish.name} {says}" for wish, _, says in faults),
                fix=install_line(extra),
                facts={"missing": tuple(str(_bare(wish)) for wish, _, _ in faults)},
            )
        else:
            says = ", ".join(f"{wish.name} {found}" for wish, _, found in states)
            yield Line(name=extra, mark="ok", says=says, facts={"missing": ()})


def requirements(extra: str = "") -> list[Requirement]:
    """What sat-zoo needs on this platform, or what `extra` adds to that."""
    found = [Requirement(line) for line in requires(PACKAGE) or []]
    always = [wish for wish in found if _applies(wish, "")]
    return [w for w in found if _applies(w, extra) and w not in always] if extra else always


def state(wish: Requirement) -> tuple[Mark, str]:
    """The mark of a requirement, and its version or what is wrong with it."""
    try:
        found = version(wish.name)
    except PackageNotFoundError:
        return "missing", "is not installed"
    if not wish.specifier.contains(found, prereleases=True):
        return "broken", f"is {found}, needs {wish.specifier}"
    return "ok", found


def install_line(extra: str) -> str:
    """The command that installs `extra` in the way sat-zoo was installed.

    Without a record of that, the one for a clone: the package lies in no index.
    """
    record = json.loads(distribution(PACKAGE).read_text("direct_url.json") or "{}")
    url = record.get("url", "")
    if "vcs_info" in record:
        source = f"{record['vcs_info'].get('vcs', 'git')}+{url}"
        return f"pip install {shlex.quote(f'{PACKAGE}[{extra}] @ {source}')}"
    clone = Path(url2pathname(urlsplit(url).path)) if url.startswith("file:") else None
    if clone is None or not (clone / "pyproject.toml").is_file():
        return f"pip install {shlex.quote(f'.[{extra}]')} in a clone of {PACKAGE}"
    folder = "." if clone == Path.cwd() else str(clone)
    editable = "-e " if record.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(f'{folder}[{extra}]')}"


def _python() -> Line:
    wanted = SpecifierSet((distribution(PACKAGE).metadata.get_all("Requires-Python") or [""])[0])
    found = platform.python_version()
    where = f"{found} on {platform.system()} {platform.machine()}"
    if wanted.contains(found, prereleases=True):
        return Line(name="python", mark="ok", says=where, needed=True, facts={"version": found})
    return Line(
        name="python",
        mark="broken",
        says=f"{where}, needs {wanted}",
        fix=f"install sat-zoo into a Python {wanted}",
        needed=True,
        facts={"version": found},
    )


def _imported(wish: Requirement) -> Line:
    mark, says = state(wish)
    fix = "" if mark == "ok" else _pip(wish)
    facts = {"version": says if mark == "ok" else None}
    if mark == "ok":
        try:
            import_module(_normal(wish.name).replace("-", "_"))
        except Exception as problem:
            mark, says = "broken", f"{says} cannot be imported ({halves(problem)[0]})"
            fix = f"pip install --force-reinstall {wish.name}, with a torch that fits it"
    return Line(name=_normal(wish.name), mark=mark, says=says, fix=fix, needed=True, facts=facts)


def _decoders(wish: Requirement) -> Line:
    """What makes pixels of picture files; the default job's pictures are in none."""
    from eval.data.files.pictures import pillow

    mark, found = state(wish)
    if mark == "ok":
        mark, found = ("ok", installed()) if installed() else ("broken", "cannot be imported")
    says = f"{pillow()}; for JPEGs of EfficientNets simplejpeg {found}"
    if mark == "ok":
        return Line(name="decoders", mark=mark, says=says, facts={"simplejpeg": found})
    says += ": Pillow decodes them instead, and the Report is flagged"
    return Line(name="decoders", mark=mark, says=says, fix=_pip(wish), facts={"simplejpeg": None})


def _others(wishes: list[Requirement]) -> Line:
    states = {wish.name: state(wish) for wish in wishes}
    facts = {name: says if mark == "ok" else None for name, (mark, says) in states.items()}
    faults = [wish for wish in wishes if states[wish.name][0] != "ok"]
    if not faults:
        says = f"{len(wishes)} more that sat-zoo needs, each new enough"
        return Line(name="other packages", mark="ok", says=says, needed=True, facts=facts)
    return Line(
        name="other packages",
        mark="broken",
        says=", ".join(f"{wish.name} {states[wish.name][1]}" for wish in faults),
        fix=_pip(*faults),
        needed=True,
        facts=facts,
    )


def _pip(*wishes: Requirement) -> str:
    return "pip install " + " ".join(shlex.quote(str(_bare(wish))) for wish in wishes)


def _bare(wish: Requirement) -> Requirement:
    """The requirement without its condition."""
    bare = Requirement(str(wish))
    bare.marker = None
    return bare


def _applies(wish: Requirement, extra: str) -> bool:
    return wish.marker is None or wish.marker.evaluate({"extra": extra})


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")
