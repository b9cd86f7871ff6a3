"""The attack of docs/extending.md."""

from typing import Self

from eval.attacks.attack import Passes
from eval.attacks.pgd import PGD, PGDSearch
from eval.engine.net import Net
from eval.stage import Stage
from eval.threat import Threat


class Shrinking(PGD):
    """PGD from the image itself: half of eps, then steps that halve every ten."""

    @classmethod
    def of(cls, stage: Stage, threat: Threat, n_classes: int) -> Self:
        return cls(threat, stage.steps, threat.eps / 2, random_start=False)

    def advance(self, net: Net, search: PGDSearch) -> None:
        before = search.x_adv.clone()
        super().advance(net, search)
        share = (0.5 ** (search.k // 10))[:, None, None, None]
        search.x_adv = self.threat.project(before + share * (search.x_adv - before), search.task.x)

    def least_passes(self) -> Passes:
        return Passes(gradients=1)
