"""Which data sets are found, checked, and where copies lie that no setting names."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eval.arguments import as_options
from eval.errors import SatZooError, UsageError
from eval.files.config import DATA_KEYS, config_path, read_config
from zoo.doctor.findings import Fact, Line, Mark, died, halves

if TYPE_CHECKING:
    from eval.data import ImageSet

IN_HOME = (
    "data",
    "datasets",
    "Downloads",
    ".cache",
    ".cache/datasets",
    ".keras/datasets",
    "tensorflow_datasets/downloads/manual",
)
IN_ROOT = ("data", "datasets", "mnt/data", "mnt/datasets", "srv/data", "srv/datasets")
IN_HUB_CACHE = ("datasets--*imagenet-1k*/snapshots/*", "datasets--*cifar10*/snapshots/*")


def common_places() -> list[Path]:
    """Folders of this machine in which people keep data sets; only those that exist."""
    from huggingface_hub import constants

    user, root, cache = Path.home(), Path("/"), Path(constants.HF_HUB_CACHE)
    found = [user / name for name in IN_HOME] + [root / name for name in IN_ROOT]
    with contextlib.suppress(OSError):
        found += [path for pattern in IN_HUB_CACHE for path in sorted(cache.glob(pattern))]
    return [path for path in found if _is_folder(path)]


def lines(data_dir: Path | None, places: Sequence[Path]) -> Iterator[Line]:
    """The config file, digits, and each data set that is looked for on disk.

    A run finds what the settings name; `places` are only looked into so that a line for what was
    not found can say where it lies.
    """
    yield config()
    for name in ("digits", *DATA_KEYS):
        try:
            yield data_set(name, None if name == "digits" else data_dir, places)
        except Exception as problem:  # one data set's reader must not hide the others
            yield died(name, problem, needed=name == "digits")


def config() -> Line:
    """The settings file, which nobody needs."""
    path = config_path()
    try:
        found = read_config()
    except UsageError as problem:
        says, fix = halves(problem)
        return Line(name="config file", mark="broken", says=says, fix=fix)
    said = {"data_dir": found.data_dir} if found.data_dir else {}
    said |= {f"[data] {name}": folder for name, folder in found.data.items()}
    facts: dict[str, Fact] = {"path": str(path), **{k: str(v) for k, v in said.items()}}
    if path.exists():
        says = ", ".join(f"{key} = {folder}" for key, folder in said.items()) or "no settings"
        return Line(name="config file", mark="ok", says=f"{path}: {says}", facts=facts)
    fix = 'not needed; data_dir = "/path" in it names the folder of the data sets for good'
    return Line(
        name="config file", mark="missing", says=f"{path} is not there", fix=fix, facts=facts
    )


def data_set(name: str, data_dir: Path | None, places: Sequence[Path]) -> Line:
    """One data set: opened, which checks counts, classes and digests as a run would."""
    try:
        found = opened(name, data_dir)
    except UsageError:
        says = "not looked for, since the config file is broken"
        return Line(name=name, mark="broken", says=says, fix="repair that file, see above")
    except SatZooError as problem:
        return _absent(name, problem, places)
    where, facts = _where(name, data_dir)
    says = f"{len(found):,} images ({found.split}), {found.layout}{where}"
    facts |= {"images": len(found), "split": found.split, "layout": found.layout}
    if found.name != name:
        fix = f"as --data {found.name} it can be used; give another copy for --data {name}"
        return Line(name=name, mark="broken", says=says, fix=fix, facts=facts)
    if found.shortfall:
        fix = found.shortfall
        return Line(name=name, mark="missing", says=f"{says}: a part", fix=fix, facts=facts)
    return Line(name=name, mark="ok", says=says, needed=name == "digits", facts=facts)


def _where(name: str, data_dir: Path | None) -> tuple[str, dict[str, Fact]]:
    """The folder that was looked into and who named it, in words and as facts."""
    from eval.data.locate import data_root

    if name == "digits":
        return "", {"path": None, "named_by": None}
    root = data_root(data_dir, name)
    words = f", in {root.path} (from {as_options(root.named_by)})"
    return words, {"path": str(root.path), "named_by": as_options(root.named_by)}


def _absent(name: str, problem: SatZooError, places: Sequence[Path]) -> Line:
    """What was looked for and where, and a copy in one of `places` if there is one."""
    from eval.data.locate import DataMissing

    says, fix = halves(problem)
    facts: dict[str, Fact] = {"images": 0, "seen_at": None}
    seen = next(filter(None, (_seen(name, place) for place in places)), None)
    if seen is not None:
        place, n_images = seen
        facts["seen_at"] = str(place)
        found = f"found at {place} ({n_images:,} images)"
        fix = f"{found}: use --data-dir {shlex.quote(str(place))}"
    mark: Mark = "missing" if isinstance(problem, DataMissing) else "broken"
    needed = name == "digits"
    return Line(name=name, mark=mark, says=says, fix=fix, needed=needed, facts=facts)


def opened(name: str, data_dir: Path | None) -> ImageSet:
    """The split that evaluations use; ImageNet's pictures are listed, not decoded."""
    from eval.data import open_data
    from eval.data.files.pictures import to_rgb

    return open_data(name, data_dir=data_dir, preprocess=to_rgb if name == "imagenet" else None)


def _seen(name: str, place: Path) -> tuple[Path, int] | None:
    try:
        found = opened(name, place)
    except (SatZooError, OSError):
        return None
    return (place, len(found)) if found.name == name else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not ours to look into
        return False
