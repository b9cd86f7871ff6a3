"""Golden logits compared with what a model answers here; where they differ, why."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from eval.checks import usable_device
from eval.errors import ModelError, UsageError
from eval.files.paths import AnyPath
from eval.functions import ModelLike, as_module, function_name
from zoo.diagnosis.changes import Change
from zoo.diagnosis.explain import Guess, explain
from zoo.diagnosis.explain_pictures import explain_pictures
from zoo.diagnosis.findings import AgainstGolden, Cause, GoldenFindings
from zoo.diagnosis.subject import Logits, PicturePipeline, Subject
from zoo.golden.file import AboutGolden, Golden, read_golden
from zoo.golden.pictures import Drawn, pictures, set_for
from zoo.golden.raw import raw_images
from zoo.golden.record import pixels_of, pixels_sha256, record
from zoo.golden.tolerance import distances, precision, tolerance
from zoo.loading import load_wanted
from zoo.model import ZooModel
from zoo.wanted import wanted
from zoo.weights.beside import golden_beside
from zoo.weights.find import find_weights

__all__ = ["diagnose"]

NOT_HERE = (
    "no golden logits lie at {}: they come with import, push, pull and the weights of the package"
)


def diagnose(
    model: AnyPath | ModelLike,
    *,
    of: str | None = None,
    preprocess: PicturePipeline | None = None,
    weights: AnyPath | None = None,
    device: str | torch.device = "cpu",
) -> GoldenFindings:
    """Compare a model with the golden logits of its weights, and name what probably differs.

    Fixed tensors tell what is wrong with the model itself (normalisation, range, channel order,
    labels, mode, precision), picture files what with the way to it (resize, crop, decoder).

    Args:
        model: a name of `zoo.list_models()`, to see whether it computes here as where its weights
            were made; or your own wrapper of such weights, images (B, C, H, W) -> logits, in the
            mode and with the values that you give it. It comes back as it was.
        of: of your own model: the name whose weights it should have.
        preprocess: your own way from a PIL picture to what the model takes, (C, H, W); default
            what the card promises, in [0, 1].
        weights: the weight file of the name, instead of the one that `zoo.load` takes.
        device: where the model of the zoo computes.

    Returns the findings; `findings.causes` is empty where `findings.agrees`, or nothing that is
    known to happen explains it (then its code is "unknown").

    Raises:
        UsageError: your own model without `of`. What `zoo.load` raises, and `WeightsMismatch` for
        golden logits that are damaged, or of other weights.

    """
    usable_device(device := str(device))
    name, subject = _subject(model, of, preprocess)
    asked = wanted(name, weights=weights)
    if asked.library is not None:
        raise UsageError(
            f"{name} is filled by a package of others, of which no golden logits are kept"
        )
    found = find_weights(asked.card, asked.weights)
    right = load_wanted(asked, device=device, check=False)
    sha256 = str(right.file_sha256)
    golden = read_golden(golden_beside(found.path), sha256)
    notes: list[str] = []
    if golden is None:
        notes.append(NOT_HERE.format(golden_beside(found.path)))
        if subject is None:
            return _findings(right, sha256, None, [], notes, [])
        golden = record(right, sha256)
        notes[0] += f"; compared with what {name} answers here"
    itself = _Comparison(right, golden, notes, subject=None)
    if subject is None or not itself.raw_agrees():
        if subject is not None:
            notes.append(f"your model: {name} itself answers otherwise than recorded, see there")
        return itself.findings()
    return _Comparison(right, golden, notes, subject).findings()


def _subject(
    model: AnyPath | ModelLike, of: str | None, preprocess: PicturePipeline | None
) -> tuple[str, Subject | None]:
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        if of is not None:
            raise UsageError(f"of={of!r} is for a model of your own: {name} is a name, leave it")
        if preprocess is None:
            return name, None
        return name, Subject(load_wanted(wanted(name), check=False), name, preprocess)
    if isinstance(model, ZooModel) and of is None:
        of = model.card.name
    if of is None:
        raise UsageError(
            "nobody says which model of zoo.list_models() yours has the weights of: give of=NAME"
        )
    return of, Subject(as_module(model), function_name(model), preprocess)


class _Comparison:
    """One model against golden logits. subject: None for the model of the zoo itself."""

    def __init__(
        self, right: ZooModel, golden: Golden, notes: list[str], subject: Subject | None
    ) -> None:
        self.right, self.golden, self.notes, self.subject = right, golden, list(notes), subject
        self.asked = subject or Subject(right, right.card.name)
        self.device = right.mean.device
        self.compared: list[AgainstGolden] = []
        self.causes: list[Cause] = []

    def raw_agrees(self) -> bool:
        """Whether the fixed tensors are answered as recorded."""
        found, _ = self.asked.raw(self._raw())
        return bool(distances(found, self.golden.raw).max() <= tolerance(self.device))

    def findings(self) -> GoldenFindings:
        """Compare everything."""
        self._say_other_card()
        change = self._compare_raw()
        self._compare_pictures(change)
        about = self.golden.about
        return _findings(
            self.right, about.weights_sha256, about, self.compared, self.notes, self.causes
        )

    def _raw(self) -> torch.Tensor:
        about = self.golden.about
        return raw_images(self.right.card.input.channels, about.raw_size, seed=about.seed).to(
            self.device
        )

    def _compare_raw(self) -> Change | None:
        """Also what was done otherwise, as far as pictures would show it too."""
        x = self._raw()
        try:
            found, is_random = self.asked.raw(x)
        except ModelError as error:
            self.notes.append(f"fixed tensors: {error}")
            return None
        if self._set_down("raw", found, self.golden.raw):
            return None
        if is_random:
            mode = ": it is in train mode, call .eval()" if self.asked.model.training else ""
            self._blame(found, Guess(("random",), (f"two passes that differ{mode}",), 0), "raw")
            return None
        target = self.golden.raw if self.subject is None else found
        guess = explain(self.right, [x], target)
        self._blame(found, guess, "raw")
        return None if guess is None else guess.change

    def _compare_pictures(self, change: Change | None) -> None:
        about = self.golden.about
        name = set_for(self.right.card.input)
        if not about.pictures or name is None:
            self.notes.append(f"pictures: {about.no_pictures or 'none were recorded'}")
            return
        drawn = pictures(name)
        if [one.name for one in drawn] != [one.name for one in about.pictures]:
            self.notes.append("pictures: others were recorded than this version has")
            return
        try:
            found = self.asked.pictures(drawn, self.right)
        except ModelError as error:
            self.notes.append(f"pictures: {error}")
            return
        self._say_other_pixels(drawn)
        golden = self.golden.pictures
        if self._set_down("pictures", found, golden):
            if self._has_own_way(change):
                self._forget_raw()
            return
        if self._is_explained(found):
            return
        target = golden if self.subject is None else found
        allowed = tolerance(self.device, of_pictures=True)
        if self._has_own_way(change):
            guess = explain_pictures(self.right, drawn, target, golden, None, allowed)
            if guess is not None:
                self._forget_raw()
                self._blame(found, guess, "pictures")
                return
        guess = explain_pictures(self.right, drawn, target, golden, change, allowed)
        if guess is None or guess.codes:
            self._blame(found, guess, "pictures")

    def _say_other_pixels(self, drawn: Sequence[Drawn]) -> None:
        """Also where the logits agree: evaluations then have other pixels than elsewhere."""
        facts = zip(drawn, self.golden.about.pictures, strict=True)
        other = [
            one.name
            for one, fact in facts
            if pixels_sha256(pixels_of(self.right, one)) != fact.pixels_sha256
        ]
        if self.subject is None and other:
            self.notes.append(f"pixels: preprocessing made others here of {', '.join(other)}")

    def _has_own_way(self, change: Change | None) -> bool:
        """Whether `preprocess` may do what the model itself was found not to do to images."""
        is_own = self.subject is not None and self.subject.preprocess is not None
        return is_own and change is not None and change.code in {"mean/std", "range"}

    def _forget_raw(self) -> None:
        """Pictures agree as far as this goes: the model takes what `preprocess` makes."""
        self.compared = [one for one in self.compared if one.images != "raw"]
        self.causes = []
        self.notes.append("fixed tensors: your model takes what preprocess makes, not [0, 1]")

    def _is_explained(self, found: Logits) -> bool:
        """Whether the raw tensors have shown why, in a way that pictures cannot add to."""
        codes = {cause.code for cause in self.causes}
        outside = {"label offset", "class order", "output", "precision", "random", "unknown"}
        return bool(codes & outside) or found.shape != self.golden.pictures.shape

    def _set_down(self, images: str, found: Logits, golden: Logits) -> bool:
        """Note how far `found` is from golden logits; returns whether it agrees."""
        allowed = tolerance(self.device, of_pictures=images == "pictures")
        apart = distances(found, golden)
        one = AgainstGolden(
            images="raw" if images == "raw" else "pictures",
            n=len(golden),
            n_off=int((apart > allowed).sum()),
            worst=min(float(apart.max()), 1e30),
            allowed=allowed,
        )
        self.compared.append(one)
        return one.agrees

    def _blame(self, found: Logits, guess: Guess | None, images: str) -> None:
        golden = self.golden.raw if images == "raw" else self.golden.pictures
        before = min(float(distances(found, golden).mean()), 1e30)
        if guess is None:
            says = f"nothing that was tried explains the logits on {images} images"
            self.causes.append(
                Cause(code="unknown", says=says, before=before, after=before, is_exact=False)
            )
            return
        for code, noun in zip(guess.codes, guess.nouns, strict=True):
            self.causes.append(
                Cause(
                    code=code,
                    says=self._sentence(noun, guess.is_exact),
                    before=before,
                    after=min(guess.after, 1e30),
                    is_exact=guess.is_exact,
                )
            )

    def _sentence(self, noun: str, is_exact: bool) -> str:
        sure = "" if is_exact else "most likely: "
        if self.subject is None:
            return f"{sure}with {noun} it answers as where its weights were made"
        return f"{sure}{noun}: so does {self.right.card.name} answer then"

    def _say_other_card(self) -> None:
        other = AboutGolden.same_input(self.right.card, self.golden.about.input)
        if other:
            self.causes.append(
                Cause(
                    code="card",
                    says=f"the card's input is not the recorded one: {other}",
                    before=0,
                    after=0,
                    is_exact=False,
                )
            )


def _findings(
    right: ZooModel,
    sha256: str,
    about: AboutGolden | None,
    compared: list[AgainstGolden],
    notes: list[str],
    causes: list[Cause],
) -> GoldenFindings:
    device, agrees = right.mean.device, all(one.agrees for one in compared)
    return GoldenFindings(
        model=right.card.name,
        weights_sha256=sha256,
        device=device.type,
        precision=precision(device),
        recorded_with=f"torch {about.torch}, {about.processor}" if about else "",
        compared=tuple(compared),
        not_compared=tuple(notes),
        causes=() if agrees else tuple(causes),
    )
