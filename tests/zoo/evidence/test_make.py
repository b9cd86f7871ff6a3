"""Evidence of a Report that was made before: a run again counts if it breaks the same images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.adversarial import AdversarialImages, Origin
from eval.errors import ReportError
from eval.evidence.file import read_evidence
from eval.report.report import Report
from zoo.evidence.make import make, proving
from zoo.evidence.sizes import HEADER, sizes
from zoo.publish.reports import committed
from zoo.registry import FAMILIES

NAME = "resnet8-silu-sat-digits"
BUNDLED = FAMILIES / "digits" / "evidence"


@pytest.fixture(scope="module")
def images() -> AdversarialImages:
    return read_evidence(BUNDLED / f"{NAME}.pgd-50.safetensors").images


def part(where: str, **values: object) -> Callable[[Report], Report]:
    return lambda report: report.model_copy(
        update={where: getattr(report, where).model_copy(update=values)}
    )


def now_robust(report: Report) -> Report:
    verdicts = list(report.images.verdicts)
    verdicts[verdicts.index("pgd-50")] = "robust"
    return part("images", verdicts=tuple(verdicts))(report)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (part("model", weights_sha256="0123" * 16), "the run has other weights than its report"),
        (part("data", pixels_sha256="0123" * 16), "the run has other pixels than its report"),
        (part("threat", eps_text="1/4"), "the run has other ball than its report"),
        (part("protocol", name="pgd-20"), "the run has other protocol than its report"),
        (now_robust, "other verdicts than its report for 1 images, the first is"),
    ],
)
def test_a_run_that_found_something_else_proves_nothing(
    images: AdversarialImages, change: Callable[[Report], Report], message: str
) -> None:
    with pytest.raises(ReportError, match=message):
        proving(change(images.report), images)


def test_when_and_how_a_run_was_made_does_not_matter(images: AdversarialImages) -> None:
    later = images.report.model_copy(update={"seconds": 1e6, "command": "again"})
    origin = Origin.of(later, images.origin.ids, images.origin.pixels_sha256)
    found = proving(images.report, AdversarialImages(images.x_adv, origin, later))
    assert found.report == images.report


def test_every_committed_file_is_of_a_committed_report_and_all_are_small() -> None:
    folder = committed()
    assert folder is not None
    names = [f"resnet8-{kind}-digits" for kind in ("relu-at", "silu-sat")]
    wanted = {f"{name}.{attack}" for name in names for attack in ("autoattack", "pgd-50")}
    assert {path.stem for path in BUNDLED.iterdir()} == wanted
    for path in BUNDLED.iterdir():
        assert read_evidence(path).images.report == Report.read(folder / f"{path.stem}.json")
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) < 50_000


@pytest.mark.slow
def test_the_documented_command_makes_what_is_committed(tmp_path: Path) -> None:
    only = f"{NAME}.pgd-50.json"
    ((path, done),) = make(NAME, only=lambda result: result.file == only, folder=tmp_path)
    assert path == tmp_path / f"{NAME}.pgd-50.safetensors"
    assert (done.n_broken, done.n_robust, done.unconfirmed) == (69, 288, ())


def test_what_is_kept_is_the_smallest_way() -> None:
    x = np.repeat(np.arange(64, dtype=np.float32), 48).reshape(16, 3, 8, 8) / np.float32(255)
    rng = np.random.default_rng(0)
    moved = np.where(rng.random(x.shape) < 0.3, rng.uniform(-0.03, 0.03, x.shape), 0.03)
    found = list(sizes(np.clip(x + moved, 0, 1).astype(np.float32), x, 0.03))
    assert len(found) == len(HEADER) - 1
    assert found[4] == min(found[:5])
    assert found[2] == 5 * x.size > found[0] == 4 * x.size
