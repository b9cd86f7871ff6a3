"""The adversarial images of Reports, which are published beside the weights that they prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eval.errors import DataError, ReportError, UsageError, WeightsMismatch
from eval.files.border import plain
from zoo.publish.markdown import code, table
from zoo.publish.package import File, Package
from zoo.publish.reports import Result, results_of
from zoo.registry import card

if TYPE_CHECKING:
    from eval.adversarial import AdversarialImages
    from eval.data import ImageSet
    from eval.report.report import Report
    from zoo.cards import ModelCard
    from zoo.model import ZooModel

EVIDENCE = "evidence"
"""The folder of the repository."""

PAGE = "README.md"


def evidence_of(package: Package) -> tuple[File, ...]:
    """Those files of a package that are evidence."""
    return tuple(file for file in package.files if file.path.startswith(f"{EVIDENCE}/"))


def with_evidence(
    package: Package,
    paths: Sequence[Path],
    results: tuple[Result, ...],
    *,
    data_dir: Path | None = None,
    classes: Path | None = None,
) -> Package:
    """`package` with the adversarial images in the files `paths`, each shown to the model again.

    Each is packed (see `eval.evidence.packing`) with the Report of the package that it proves.

    Raises `WeightsMismatch` for images of other weights than the package's; `ReportError` for those
    of no Report of the package, and says what is other, and for those that do not hold;
    `DataError` where the data are not here, without which they cannot be checked.
    """
    from eval.definition import weights_sha256
    from eval.evidence.file import read_evidence
    from zoo.loading import from_weights
    from zoo.weights.file import WeightFile

    info = card(package.name)
    file = WeightFile(Path(package.weights.path), package.weights.content)
    # Compared with golden logits when the package was gathered; this path is the repository's.
    model = from_weights(info, file.weights(), "file", check=False)
    digest = weights_sha256(model)
    mine = results_of(results, package.name, digest)
    added: dict[str, File] = {}
    lines = []
    for path in paths:
        shown = plain(str(path))
        images = read_evidence(path).images
        if images.origin.weights_sha256 != digest:
            raise WeightsMismatch(
                f"evidence {shown} is of other weights ({images.origin.weights_sha256[:12]}) than"
                f" those that are published ({digest[:12]}): leave it out, or name its `weights`"
            )
        result = _proved(shown, images, mine)
        there = f"{EVIDENCE}/{Path(result.file).stem}.safetensors"
        if there in added:
            raise UsageError(f"evidence {shown} is of {result.file}, as another one is: give one")
        content, line = _checked(shown, images, result.report, model, data_dir, classes)
        added[there] = File.of(there, content)
        lines.append((code(there), code(f"reports/{result.file}"), *line))
    page = File.of(PAGE, (package.text(PAGE) + _section(package.name, lines)).encode())
    files = tuple(page if file.path == PAGE else file for file in package.files)
    return replace(package, files=(*files, *added.values()))


def _proved(shown: str, images: AdversarialImages, results: Sequence[Result]) -> Result:
    """The Report that is published and that these are the images of."""
    from eval.report.digest import what_images_follow_from

    for result in results:
        if what_images_follow_from(result.report) == images.origin.report_sha256:
            return result
    raise ReportError(
        f"evidence {shown} is of no Report that is published here:"
        f" {_what_is_other(images, results)}"
    )


def _what_is_other(images: AdversarialImages, results: Sequence[Result]) -> str:
    """Of the Reports that are nearest to that of the images, the first thing that is another."""
    if not results:
        return "there is none of these weights; name their folder in `results`"
    report, left = images.report, list(results)
    for what, shown, key in _PARTS:
        nearer = [one for one in left if key(one.report) == key(report)]
        if not nearer:
            names = ", ".join(plain(one.file) for one in left[:5])
            return f"its {what} ({plain(shown(report), 80)}) is that of none of {names}"
        left = nearer
    return f"its model, engine, seed or count in 8 bits is not that of {plain(left[0].file)}"


_PARTS: tuple[tuple[str, Callable[[Report], str], Callable[[Report], object]], ...] = (
    ("protocol", lambda of: of.protocol.name, lambda of: of.protocol.name),
    (
        "data set",
        lambda of: f"{of.data.name}, {of.data.split}",
        lambda of: (of.data.name, of.data.split),
    ),
    ("ball", lambda of: f"{of.threat.norm} {of.threat.eps_text}", lambda of: of.threat),
    (
        "choice of images",
        lambda of: f"{of.data.n}, pixels {of.data.pixels_sha256[:12]}",
        lambda of: (of.data, of.images.ids),
    ),
    ("list of labels", lambda of: f"{len(of.images.labels)}", lambda of: of.images.labels),
    (
        "list of verdicts",
        lambda of: f"{of.survive_8bit.n} broken",
        lambda of: of.images.verdicts,
    ),
    ("list of stages", lambda of: f"{len(of.stages)}", lambda of: of.protocol),
)
"""What makes two Reports two, coarse first: its name, the value for people, and the value."""


def _checked(
    shown: str,
    images: AdversarialImages,
    report: Report,
    model: ZooModel,
    data_dir: Path | None,
    classes: Path | None,
) -> tuple[bytes, tuple[str, str]]:
    """The content of the file, and of the page's line: how many images, and what they prove."""
    from eval.adversarial import AdversarialImages, Origin
    from eval.evidence.file import Evidence
    from eval.evidence.replay import replay

    # The very Report that is published: the same run has one digest, but not one date.
    origin = Origin.of(report, images.origin.ids, images.origin.pixels_sha256)
    data = data_of(report, model.card, data_dir, classes)
    try:
        evidence = Evidence.of(AdversarialImages(images.x_adv, origin, report), data)
        done = replay(evidence, model, data)
    except (ReportError, DataError) as error:
        raise type(error)(f"evidence {shown} does not hold: {error}") from error
    proved = f"at most {done.n_robust} of {report.data.n} robust"
    return evidence.to_bytes(), (f"{done.n_broken}", proved)


def data_of(
    report: Report, info: ModelCard, data_dir: Path | None, classes: Path | None
) -> ImageSet:
    """The images that a Report is of; raises `DataError` where they are not here.

    data_dir: of digits, which lie in no folder, none.
    """
    from zoo.pictures import images

    return images(
        info,
        data=report.data.name.removesuffix("-partial"),
        data_dir=None if report.data.name == "digits" else data_dir,
        classes=classes,
        allow_partial=report.data.name.endswith("-partial"),
    )


def _section(name: str, lines: Sequence[tuple[str, ...]]) -> str:
    columns = ("adversarial images", "of the Report", "images", "what they prove")
    return (
        "\n## Evidence\n\nThe adversarial images that Reports above count, lossless, to be shown"
        " to the model again without an attack:\n\n"
        f"```sh\nsat-zoo pull {name} --evidence\nsat-zoo verify {name}\n```\n\n"
        f"{table(columns, lines)}\n"
    )
