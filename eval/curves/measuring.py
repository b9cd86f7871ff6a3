"""One model on its way along a curve: clean pass, points, check."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import nn

from eval.begin import begun, kept_in
from eval.curves.fallen import Fallen
from eval.curves.flags import curve_flags
from eval.curves.plan import CurvePlan, PlannedPoint, large_eps
from eval.curves.series import CurvePoint, CurveSeries, LargeCheck
from eval.described import Source, data_part, engine_part, model_part
from eval.executors.crew import Workplace
from eval.report.report import Accuracy, EnginePart, Flag, StageResult
from eval.request import Request
from eval.run import Progress, Run
from eval.threat import Threat


@dataclass(eq=False)
class Measuring:
    """One model on its way along the curve.

    request: of the clean pass on all images; the points' requests are made of it.
    first: the engine of the first point that attacked; later ones search in its precision.
    n_known: how many runs had nothing left to do. earlier_s: what earlier sessions took.
    """

    request: Request
    plan: CurvePlan
    model: nn.Module
    on_progress: Callable[[Progress], None]
    on_message: Callable[[str], None]
    executor: Workplace | None = None
    first: EnginePart | None = None
    n_known: int = 0
    earlier_s: float = 0.0

    def series(self, source: Source, file_sha256: str | None, *, has_check: bool) -> CurveSeries:
        """Measure every point, and the check where it `has_check` or costs nothing."""
        started = time.perf_counter()
        try:
            with begun(
                self.model,
                self.request,
                executor=self.executor,
                on_progress=self.on_progress,
                on_message=self.on_message,
            ) as whole:
                fallen, found = Fallen.of(whole), [(flag, "") for flag in whole.flags]
                points = [_clean_point(whole, fallen)]
                for number, planned in enumerate(self.plan.points, start=1):
                    points.append(self._point(number, planned, fallen, found))
                check = self._check(fallen, found, has_check=has_check)
        except KeyboardInterrupt:
            if self.request.journal is not None:
                self.on_message(kept_in(self.request.journal, is_fresh=self.request.fresh))
            raise
        if self.n_known:
            self.on_message(
                f"all verdicts of {self.n_known} points were known from {self.request.journal}"
                " (`fresh=True` attacks again)"
            )
        norm, n = self.plan.points[-1].threat.norm, len(self.request.data)
        return CurveSeries(
            model=model_part(whole, source, file_sha256),
            data=data_part(self.request.data),
            engine=self.first or engine_part(whole),
            fell=tuple(fallen.at),
            points=tuple(points),
            check=check,
            flags=curve_flags(found, points, check, norm, n),
            seconds=time.perf_counter() - started + self.earlier_s,
        )

    def _point(
        self,
        number: int,
        planned: PlannedPoint,
        fallen: Fallen,
        found: list[tuple[Flag, str]],
    ) -> CurvePoint:
        carried = fallen.carried
        unconfirmed = fallen.n_unconfirmed(planned.threat)
        label = f"{self.plan.along} {planned.text}"
        spent = self._attack(number, planned, label, fallen, found)
        n_standing = len(fallen.standing)
        return CurvePoint(
            at_text=planned.text,
            at=planned.threat.eps if self.plan.along == "eps" else float(planned.text),
            protocol=planned.protocol.name,
            attacked=spent.attacked,
            broken=spent.attacked - n_standing,
            carried=len(carried),
            unconfirmed=unconfirmed,
            accuracy=Accuracy.of(n_standing, len(fallen.at)),
            seconds=spent.seconds,
            forwards=spent.forwards,
            backwards=spent.backwards,
        )

    def _attack(
        self,
        number: int,
        planned: PlannedPoint,
        label: str,
        fallen: Fallen,
        found: list[tuple[Flag, str]],
    ) -> _Spent:
        """One run on what stands; what it breaks fell at the point `number`."""
        standing = fallen.standing
        if not standing:
            return _Spent()
        request = replace(
            self.request,
            data=self.request.data.select(standing),
            threat=planned.threat,
            protocol=planned.protocol,
            precision=self.first.precision if self.first else self.request.precision,
        )
        said: list[str] = []
        with begun(
            self.model,
            request,
            executor=self.executor,
            on_progress=self._told(label, len(fallen.at), len(request.protocol.stages)),
            on_message=said.append,
        ) as run:
            is_known = run.ledger.n_settled == len(standing)
            self.n_known += is_known and run.journal is not None
            if run.journal is not None:
                self.earlier_s += run.journal.seconds
                if run.journal.sessions and not is_known:
                    self.on_message(f"{label}: {said[-1]}")
            run.attack()
            fallen.take(run, standing, number)
            flags, results = run.flags, run.stage_results
            self.first = self.first or engine_part(run)
        found += [(flag, f"{label}, of {len(standing)} images that stood") for flag in flags]
        return _Spent.of(len(standing), results)

    def _check(
        self, fallen: Fallen, found: list[tuple[Flag, str]], *, has_check: bool
    ) -> LargeCheck | None:
        """Attack what stands at an eps at which nothing can, unless the last point was there."""
        last = self.plan.points[-1]
        n_values = fallen.run.request.data.batch([0]).x.numel()
        threat = Threat(last.threat.norm, large_eps(last.threat.norm, n_values))
        attacked, spent = len(fallen.standing), _Spent()
        if last.threat.eps >= threat.eps:
            threat = last.threat
        elif has_check:
            label, number = f"check at eps {threat.eps_text}", len(self.plan.points) + 1
            planned = replace(last, threat=threat)
            spent = self._attack(number, planned, label, fallen, found)
        else:
            return None
        return LargeCheck(
            eps=threat.eps,
            eps_text=threat.eps_text,
            protocol=last.protocol.name,
            attacked=attacked,
            standing=len(fallen.standing),
            grey=fallen.n_grey(threat),
            seconds=spent.seconds,
            forwards=spent.forwards,
            backwards=spent.backwards,
        )

    def _told(self, label: str, n: int, n_stages: int) -> Callable[[Progress], None]:
        """The progress of one point, of all `n` images; the clean pass was shown already."""

        def tell(now: Progress) -> None:
            if now.stage != "clean":
                stage = label if n_stages == 1 else f"{label} {now.stage}"
                self.on_progress(replace(now, stage=stage, n=n))

        return tell


@dataclass(frozen=True)
class _Spent:
    """What one point took."""

    attacked: int = 0
    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0

    @classmethod
    def of(cls, attacked: int, stages: Sequence[StageResult]) -> _Spent:
        return cls(
            attacked,
            sum(stage.seconds for stage in stages),
            sum(stage.forwards for stage in stages),
            sum(stage.backwards for stage in stages),
        )


def _clean_point(whole: Run, fallen: Fallen) -> CurvePoint:
    return CurvePoint(
        at_text="0",
        at=0.0,
        protocol=None,
        attacked=0,
        broken=0,
        carried=0,
        unconfirmed=0,
        accuracy=Accuracy.of(len(fallen.standing), len(whole.verdicts)),
        seconds=0.0,
        forwards=len(whole.verdicts),
        backwards=0,
    )
