"""Reports that say what cannot be, with totals that follow: each is refused, and says why."""

from hashlib import sha256
from pathlib import Path

import pytest

from eval.errors import ReportError
from eval.report.report import Report
from leaderboard.results import RESULTS, read_report, read_results
from tests.leaderboard.forging import (
    DIGITS,
    Change,
    Content,
    all_of,
    committed,
    first,
    forged,
    labels,
    put,
    recount,
    verdicts,
)

PGD, AUTO, QUICK = committed(), committed("autoattack"), committed("quick-1.ea9f9237")
REFERENCE = committed("autoattack-reference")
CIFAR = committed("pgd-50.d5ced5ba", "resnet18-w16-silu-sat-cifar10")
JPEG = committed("pgd-50", "resnet18-w16-silu-sat-cifar10")
TWIN = committed(model="resnet8-relu-at-digits")
OTHER = "0f1e2d3c" * 8
"""A digest of something else."""


def stranger(*changes: Change) -> Change:
    """As the Report of somebody's own model, of which no card says anything."""
    model = put("model.name", "mine"), put("model.source", "file")
    return all_of(*model, put("model.file_sha256", None), *changes)


of_file = all_of(put("model.source", "file"), put("model.file_sha256", None))


def add_to(dotted: str, more: int) -> Change:
    """Adds to a number."""

    def change(content: Content) -> None:
        node = content
        *parents, last = dotted.split(".")
        for parent in parents:
            node = node[int(parent)] if isinstance(node, list) else node[parent]
        node[last] += more

    return change


def imagenet(image_id: str, label: int) -> Change:
    """One image of ImageNet, robust."""

    def change(content: Content) -> None:
        stranger(first(1), verdicts("robust"), put("model.classes", 1000))(content)
        content["data"] |= {"name": "imagenet", "split": "val", "official_subset": False}
        content["images"] |= {"ids": [image_id], "labels": [label]}
        verdicts("robust")(content)

    return change


FORGERIES: dict[str, tuple[Content, Change, str]] = {
    "all robust without a pass": (
        PGD,
        all_of(verdicts("robust"), put("stages.0.forwards", 0), put("stages.0.backwards", 0)),
        "forwards is 0, but 360 attacked and 0 broken images take 18,360 passes or more",
    ),
    "all robust with the passes of another run": (PGD, verdicts("robust"), "18,360 passes or more"),
    "all robust, no gradient": (PGD, put("stages.0.backwards", 0), "backwards is 0, but 357"),
    "one step too few": (PGD, put("stages.0.backwards", 57 * 250 - 1), "passes or more"),
    "no time for a stage": (PGD, put("stages.0.seconds", 0.0), "seconds is 0.0, in which nothing"),
    "hardly any time": (PGD, put("stages.0.seconds", 1e-9), "seconds is 1e-09, in which nothing"),
    "no time at all": (committed("clean"), put("seconds", 0.0), "seconds is 0, but to look"),
    "less time than its stages": (AUTO, put("seconds", 100.0), "but the stages took 183.093"),
    "a way back without one there": (PGD, put("stages.0.backwards", 18208), "no way back without"),
    "APGD of one target": (AUTO, put("stages.1.forwards", 28_000), "stage apgd-t: forwards is 28"),
    "FAB without gradients": (AUTO, put("stages.2.backwards", 0), "stage fab-t: backwards is 0"),
    "FAB of half the steps": (AUTO, put("stages.2.backwards", 125_000), "stage fab-t: backwards"),
    "Square of 1,000 queries": (AUTO, put("stages.3.forwards", 278_000), "stage square: forwards"),
    "targets that nobody chose": (QUICK, put("stages.1.backwards", 57_600), "stage apgd-near: b"),
    "the package without a pass": (
        REFERENCE,
        put("stages.0.forwards", 0),
        "forwards is 0, but 357",
    ),
    "the package with a tenth": (REFERENCE, put("stages.3.forwards", 139_583), "stage square: for"),
    "an engine in bf16 that has none": (
        REFERENCE,
        put("engine.precision", "bf16"),
        "engine reference has fp32 alone",
    ),
    "labels of one class": (PGD, labels(0), "image 2 has label 0, but it is 2 in digits"),
    "one other label": (PGD, put("images.labels.2", 9), "image 4 has label 9, but it is"),
    "labels of one class, named as one's own": (PGD, stranger(labels(3)), "has label 3, but it is"),
    "the first 50 with one label": (PGD, all_of(first(50), labels(1)), "has label 1, but it is"),
    "CIFAR-10 with one label": (CIFAR, labels(3), "image 1 has label 3, which is not its own"),
    "CIFAR-10, chosen, with one label": (
        CIFAR,
        all_of(first(100), labels(3), put("data.official_subset", False)),
        "image 1 has label 3, which is not its own",
    ),
    "its JPEG copy with one label": (JPEG, labels(3), "which is not its own in cifar10-jpeg"),
    "an image that CIFAR-10 lacks": (
        JPEG,
        all_of(put("images.ids.7", "10007"), recount),
        "there is no image '10007' in cifar10-jpeg",
    ),
    "ImageNet with another label": (
        PGD,
        imagenet("ILSVRC2012_val_00000001", 3),
        "image ILSVRC2012_val_00000001 has label 3, but it is 65",
    ),
    "an image that ImageNet lacks": (
        PGD,
        imagenet("ILSVRC2012_val_00050001", 3),
        "there is no image 'ILSVRC2012_val_00050001' in imagenet",
    ),
    "other pixels": (PGD, put("data.pixels_sha256", OTHER), "but these 360 images of digits"),
    "other pixels of fewer": (PGD, first(50), "but these 50 images of digits (test) have"),
    "other pixels of CIFAR-10": (CIFAR, put("data.pixels_sha256", OTHER), "1000 images of cifar10"),
    "no class for a label": (CIFAR, stranger(put("model.classes", 9)), "is not one of the model's"),
    "fewer classes than the data": (
        CIFAR,
        stranger(first(1), put("model.classes", 7)),
        "model.classes is 7, but cifar10 has 10 classes",
    ),
    "one class": (PGD, stranger(labels(0), put("model.classes", 1)), "greater than or equal to 2"),
    "a split that nobody has": (
        PGD,
        put("data.split", "val"),
        "data set digits has test and train",
    ),
    "official images of one's own": (
        PGD,
        put("data.name", "my-digits"),
        "data.official_subset is true, but the order of my-digits is not known",
    ),
    "official images that no loader here proves": (
        PGD,
        stranger(put("data.name", "cifar100"), put("model.classes", 100), labels(0)),
        "data.official_subset is true, but the order of cifar100 is not known",
    ),
    "weights of zeros": (PGD, stranger(put("model.weights_sha256", "0" * 64)), "is no digest of"),
    "pixels of zeros": (CIFAR, put("data.pixels_sha256", "0" * 64), "is no digest of anything"),
    "a file of ones": (PGD, put("model.file_sha256", "1" * 64), "is no digest of anything"),
    "no parameters": (PGD, stranger(put("model.parameters", 0)), "model.parameters is 0, but"),
    "weights of nothing": (
        PGD,
        stranger(put("model.weights_sha256", sha256().hexdigest())),
        "the digest of no weights at all",
    ),
    "the file of another model": (PGD, put("model.file_sha256", OTHER), "model.file_sha256 is 0f1"),
    "the weights of its twin": (
        PGD,
        all_of(of_file, put("model.weights_sha256", TWIN["model"]["weights_sha256"])),
        "which are bundled with resnet8-relu-at-digits",
    ),
    "weights of one's own under a name with bundled ones": (
        PGD,
        all_of(of_file, put("model.weights_sha256", OTHER)),
        "the weights bundled with resnet8-silu-sat-digits have 7cce532bef78",
    ),
    "a date that is none": (PGD, put("created", "2026-02-30T00:00:00Z"), "created: 2026-02-30T00"),
    "the year 2999": (PGD, put("created", "2999-01-01T00:00:00Z"), "has not come yet"),
    "before there was a Report": (
        PGD,
        put("created", "2019-01-01T00:00:00Z"),
        "created is 2019-01",
    ),
    "negative counts": (PGD, put("stages.0.rejected", -1), "greater than or equal to 0"),
    "last iterates of 700 %": (PGD, put("stages.0.last_iterate_accuracy", 7.0), "less than or equ"),
    "last iterates that are no number": (
        PGD,
        put("stages.0.last_iterate_accuracy", float("nan")),
        "NaN is no number in JSON",
    ),
    "more images than a number can say": (PGD, put("data.n", 10**400), "digits in a number"),
    "eps as text of another eps": (PGD, put("threat.eps_text", "8/255"), "threat.eps is 0.1875"),
    "an empty name": (PGD, stranger(put("model.name", "")), "model.name: it is empty"),
    "a blank name": (PGD, stranger(put("model.name", "  ")), "model.name: it is empty"),
    "a flag that no reader can show": (
        PGD,
        put("flags", [{"code": "<b>", "detail": ""}]),
        "flags.0.code: String should match pattern",
    ),
    "a guess without its flag": (
        PGD,
        stranger(verdicts(*["clean"] * 9, "robust")),
        "the flag clean-at-chance is missing",
    ),
}


def test_they_are_many_and_what_they_are_made_of_is_read() -> None:
    assert len(FORGERIES) >= 40
    for path in sorted(RESULTS.glob("*.json")):
        read_report(path)


@pytest.mark.parametrize(("content", "change", "why"), FORGERIES.values(), ids=FORGERIES.keys())
def test_what_cannot_be_is_refused(
    tmp_path: Path, content: Content, change: Change, why: str
) -> None:
    path = forged(content, change, tmp_path / "forged.json")
    with pytest.raises(ReportError) as caught:
        read_report(path)
    said = str(caught.value)
    assert why in said
    assert said.startswith(f"report {path}")
    assert said.isprintable()
    assert [one.reason for one in read_results(path).refused] == [said]


def test_a_clock_that_stands_still_makes_nothing_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eval.report import fields

    class Stopped(fields.datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Stopped":
            return cls(1970, 1, 1, tzinfo=fields.UTC)

    monkeypatch.setattr(fields, "datetime", Stopped)
    assert Report.read(RESULTS / f"{DIGITS}.clean.json")
    with pytest.raises(ReportError, match="has not come yet"):
        Report.read(forged(PGD, put("created", "2999-01-01T00:00:00Z"), tmp_path / "r.json"))


def test_what_people_may_honestly_hand_in_is_read(tmp_path: Path) -> None:
    honest = {
        "much faster than this machine": all_of(
            put("stages.0.seconds", 0.01), put("seconds", 0.02)
        ),
        "resumed, with passes done twice": all_of(
            add_to("stages.0.forwards", 9000), add_to("stages.0.backwards", 9000)
        ),
        "a function": stranger(
            put("model.source", "factory"),
            put("model.parameters", 0),
            put("flags", [{"code": "function-model", "detail": ""}]),
        ),
        "a flag of a later version": put("flags", [{"code": "of-tomorrow", "detail": "?"}]),
        "data of one's own": stranger(
            put("data.name", "my-set"),
            put("data.split", "all"),
            put("data.official_subset", False),
            labels(4),
            put("data.pixels_sha256", OTHER),
        ),
        "other seeds": put("seed", -5),
        "the bundled weights, from a file": of_file,
    }
    for name, change in honest.items():
        assert read_report(forged(PGD, change, tmp_path / "r.json")), name
    # A copy of the model may have to prove itself, with gradients, whatever stage it searches.
    assert read_report(forged(AUTO, put("stages.3.backwards", 24), tmp_path / "r.json"))
