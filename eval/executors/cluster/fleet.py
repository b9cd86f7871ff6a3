"""Work for the workers of a run: what is to be done goes out in shards, what was found comes in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from eval.errors import SetAside
from eval.executors.base import TELL_EVERY_S, Event, Pace, Spent, UnderWay
from eval.executors.cluster.backlog import LEAST_AT_ONCE, Backlog
from eval.executors.cluster.roster import WAIT_S, Hand, Roster
from eval.executors.cluster.wire import Classified, Kind, Order, Packet
from eval.report.report import Flag

if TYPE_CHECKING:
    from eval.executors.cluster.admission import Admission
    from eval.executors.cluster.transport import Transport

ASK_EVERY_S = 1.0
"""How long a worker works before it says what it found."""

FIRST_S = 0.2
"""The same at first, when nobody knows yet how much it should hold."""


class Fleet(Roster):
    """Workers that carry out one wave of jobs after the other.

    Costs are told so that they add up to no more than the time that passed: a second of one of `n`
    workers is a share of 1 / n, where those that have not come, or are left out, do not count.
    """

    def __init__(
        self, transport: Transport, n: int, device: str, on_message: Callable[[str], None]
    ) -> None:
        self.pace = Pace(TELL_EVERY_S)
        self._wave = 0
        self._backlog: Backlog | None = None
        self._started, self._told_s = 0.0, 0.0
        self._clean: tuple[int, Any] | None = None
        self._far: dict[tuple[int, str], UnderWay] = {}
        self._at_look: dict[str, Flag] = {}  # by code: numbers in them differ from one to another
        self._said: dict[str, Flag] = {}
        self._kinds: dict[str, str] = {}  # of workers that found something, and one of each
        super().__init__(transport, n, device, on_message)

    def assign(self, admission: Admission) -> None:
        """See `Roster.assign`."""
        self._clean, self._at_look, self._said, self._kinds = None, {}, {}, {}
        super().assign(admission)

    def begin(self, n_classes: int, ranking: Any) -> None:
        """The clean pass is over: what every attack needs of it goes to all workers."""
        self._clean = n_classes, self.transport.put(ranking)

    def joined(self, hand: Hand) -> None:
        """See `Roster.joined`."""
        for flag in hand.flags:
            self._at_look.setdefault(flag.code, flag)
        if self._backlog is not None and hand.prepared is not None:
            least = LEAST_AT_ONCE[self.device]
            self._backlog.join(hand.worker, hand.prepared.batch_size, least)

    def ended(self, hand: Hand, reason: str) -> None:
        """See `Roster.ended`."""
        if self._backlog is not None and hand.worker in self._backlog.held:
            self._backlog.lost(hand.worker, reason)

    def withdrawn(self, hand: Hand) -> None:
        """See `Roster.withdrawn`."""
        if self._backlog is not None and hand.worker in self._backlog.held:
            self._backlog.returned(hand.worker)

    def carry_out(self, kind: Kind, backlog: Backlog) -> Iterator[Event | UnderWay | Classified]:
        """What workers tell of the jobs of `backlog`, as it comes, each thing once.

        Raises `SatZooError` where no worker is left, and last `SetAside` where images had to be.
        """
        self._wave, self._backlog, self._far = self._wave + 1, backlog, {}
        self._started, self._told_s = time.perf_counter(), 0.0
        try:
            for hand in self.hands.values():
                if hand.is_here:
                    self.joined(hand)
            while not backlog.is_done:
                self._give(kind, backlog)
                self.check_any_left()
                for reply in self.transport.wait(WAIT_S):
                    packet = self.hear(reply)
                    if packet is not None and reply.worker in backlog.held:
                        yield from self._heard(self.hands[reply.worker], packet, backlog)
            self._check_none_aside(kind, backlog)
        finally:
            self._backlog = None

    def _give(self, kind: Kind, backlog: Backlog) -> None:
        for hand in [*self.hands.values()]:
            if hand.is_asked or not hand.is_here:
                continue
            if kind == "attack" and not hand.has_begun:
                assert self._clean is not None, "the clean pass comes first"
                hand.has_begun = True
                self.ask(hand, "begin", *self._clean)
                continue
            jobs = backlog.jobs_for(hand.worker)
            holding = backlog.held[hand.worker]
            if jobs or holding.open:
                seconds = ASK_EVERY_S if holding.told else FIRST_S
                hand.n_working = len(backlog.held)
                self.ask(hand, "work", Order(self._wave, kind, jobs, seconds))

    def _heard(
        self, hand: Hand, packet: Packet, backlog: Backlog
    ) -> Iterator[Event | UnderWay | Classified]:
        if packet.wave != self._wave:
            return
        for flag in packet.flags:
            self._said.setdefault(flag.code, flag)
        for remark in packet.remarks:
            self.on_message(f"{hand.name}: {remark}")
        n = max(hand.n_working, len(backlog.held))  # of those that ended meanwhile some is told
        for event in packet.told:
            news = backlog.told(hand.worker, event)
            if isinstance(news, Spent):  # which may come to nothing yet
                yield replace(news, seconds=self._share(news.seconds, n))
            elif news is not None:
                self.worked(hand)
                yield news
        if packet.told and hand.who is not None:
            self._kinds.setdefault(hand.who.kind, hand.name)
        if packet.is_idle and (n_open := len(backlog.held[hand.worker].open)):
            self.gone(hand, f"it said nothing of {n_open} images that it was given")
        self._far.update({(hand.worker, stage): one for stage, one in packet.under_way.items()})
        if self._far and self.pace.is_due():  # of many workers not after each packet
            yield from self._how_far(backlog)

    def _share(self, seconds: float, n: int) -> float:
        """Of the seconds of one of `n` workers what they add to those of the stage."""
        passed = time.perf_counter() - self._started
        share = min(seconds / n, max(passed - self._told_s, 0.0))
        self._told_s += share
        return share

    def _how_far(self, backlog: Backlog) -> Iterator[UnderWay]:
        """Of each stage how far the images are, on workers that are still there."""
        self._far = {key: one for key, one in self._far.items() if key[0] in backlog.held}
        shares: dict[str, dict[int, float]] = {}
        for (_, stage), one in self._far.items():
            found = shares.setdefault(stage, {})
            for position, share in one.shares.items():
                if share > found.get(position, -1.0):  # of two that search it the one further on
                    found[position] = share
        for stage, some in shares.items():
            yield UnderWay(stage, some)

    def _check_none_aside(self, kind: Kind, backlog: Backlog) -> None:
        if not backlog.aside:
            return
        assert self.admission is not None, "there was work"
        ids = {position: self.admission.ids[position] for position in backlog.positions_aside}
        reason = backlog.aside[-1][1]
        if kind == "clean":
            raise SetAside(ids, reason, "nothing is attacked before all are classified")
        raise SetAside(ids, reason)

    @property
    def flags_at_look(self) -> tuple[Flag, ...]:
        """What workers of this run saw before any attack, of each code once."""
        return tuple(self._at_look.values())

    @property
    def flags(self) -> tuple[Flag, ...]:
        """How it went, of each code once, and whether workers are of one kind.

        Asks each whether its model is what it was.
        """
        assert self.admission is not None, "there was work"
        before = self.admission.weights
        for hand, now in self.all_say("weights"):
            if now != before:
                detail = (
                    f"the state dict was {before[:12]} before the run and {now[:12]} after it on"
                    f" {hand.name}: the model adapts while it is evaluated"
                )
                self._said["model-changed"] = Flag(code="model-changed", detail=detail)
                break
        if len(self._kinds) < 2:
            return (*self._said.values(),)
        shown = "; ".join(f"{kind} ({name})" for kind, name in self._kinds.items())
        mixed = Flag(code="mixed-workers", detail=f"workers of several kinds: {shown}")
        return (*self._said.values(), mixed)
