"""The workers of a run: hired, looked at, admitted, replaced when they end, left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from eval.errors import SatZooError, first_line
from eval.executors.cluster.backlog import MOST_TRIES
from eval.executors.cluster.wire import Packet, Prepared, Reply, WorkerProfile

if TYPE_CHECKING:
    from eval.executors.cluster.admission import Admission
    from eval.executors.cluster.transport import Transport
    from eval.report.report import Flag

_log = logging.getLogger(__name__)

WAIT_S = 1.0
"""How long to wait for replies before looking around."""

PATIENCE_S = 30.0
"""How long to wait for a first worker before saying so."""

MOST_IN_VAIN = 2 * MOST_TRIES
"""Workers that may end in one place, one after the other, before any of them told anything."""

Step = Literal["identity", "open", "look", "begin", "work"]


@dataclass
class Hand:
    """One worker. step: what it was asked last. place: in which it stands for those before it.

    is_asked: whether its reply is still to come. admission: to the run that it was asked to open.
    is_here: it has been admitted to that. has_begun: it can attack. n_working: workers that there
    were when it was given work last.
    """

    worker: int
    place: int
    step: Step = "identity"
    is_asked: bool = False
    admission: Admission | None = None
    is_here: bool = False
    has_begun: bool = False
    n_working: int = 0
    who: WorkerProfile | None = None
    prepared: Prepared | None = None
    flags: tuple[Flag, ...] = ()

    @property
    def name(self) -> str:
        """How people call it."""
        return self.who.name if self.who else f"worker {self.worker + 1}"


class Roster:
    """Up to `n` workers, which compute on `device`. on_message: told who is left out, and why.

    It outlives a run: `assign` gives all of them another one. What it does when a worker joins or
    ends in the middle of work is its heirs' affair.
    """

    def __init__(
        self, transport: Transport, n: int, device: str, on_message: Callable[[str], None]
    ) -> None:
        self.transport, self.n, self.device = transport, n, device
        self.on_message = on_message
        self.hands: dict[int, Hand] = {}
        self.admission: Admission | None = None
        self._in_vain = [0] * n
        self._left_out: list[str] = []
        for place in range(n):
            self._hire(place)

    def joined(self, hand: Hand) -> None:
        """A worker can be given work from now on."""

    def ended(self, hand: Hand, reason: str) -> None:
        """A worker has ended, maybe over what it was given."""

    def withdrawn(self, hand: Hand) -> None:
        """A worker is left out, not for what it was given."""

    def _hire(self, place: int) -> None:
        worker = self.transport.hire()
        hand = self.hands[worker] = Hand(worker, place)
        self.ask(hand, "identity", self.device)

    def ask(self, hand: Hand, step: Step, *args: Any) -> None:
        """Ask a worker that is not asked already; its reply comes to `hear`."""
        hand.step, hand.is_asked = step, True
        self.transport.ask(hand.worker, step, *args)

    def assign(self, admission: Admission) -> None:
        """All workers are to open this run: those that are here now, and any that come later.

        Where one was left out of the last run another one comes: it may be one of this run.
        """
        if self.admission is not None:
            self._in_vain, self._left_out = [0] * self.n, []
            for place in sorted({*range(self.n)} - {hand.place for hand in self.hands.values()}):
                self._hire(place)
        self.admission = admission
        for hand in [*self.hands.values()]:
            hand.is_here, hand.prepared, hand.flags = False, None, ()
            if hand.who is not None and not hand.is_asked:
                self._welcome(hand)

    def until_ready(self) -> Hand:
        """Wait for the first worker that is ready; the others go on by themselves.

        Raises `SatZooError` where none can be had.
        """
        said, since = False, time.monotonic()
        while not (ready := [hand for hand in self.hands.values() if hand.is_here]):
            self.check_any_left()
            for reply in self.transport.wait(WAIT_S):
                self.hear(reply)
            if not said and time.monotonic() - since > PATIENCE_S:
                said = True
                self.on_message(
                    f"no worker is ready after {PATIENCE_S:.0f} s: others may use the cluster, or"
                    " its machines are still starting"
                )
        return ready[0]

    def hear(self, reply: Reply) -> Packet | None:
        """Note one reply; returns what a worker found, if it is that."""
        hand = self.hands.get(reply.worker)
        if hand is None:
            return None
        hand.is_asked = False
        if reply.lost:
            self.gone(hand, reply.lost)
        elif reply.error is not None:
            self._failed(hand, reply.error)
        else:
            return self._answered(hand, reply.value)
        return None

    def _answered(self, hand: Hand, value: Any) -> Packet | None:
        if hand.step == "identity":
            hand.who = value
        if hand.admission is not self.admission:  # it is new, or was busy with another run
            self._welcome(hand)
        elif hand.step == "open":
            self._opened(hand, value)
        elif hand.step == "look":
            self._looked(hand, value)
        elif hand.step == "work":
            return value  # type: ignore[no-any-return]
        return None

    def _welcome(self, hand: Hand) -> None:
        if self.admission is None:
            return
        assert hand.who is not None, "it said who it is"
        if why := self.admission.refuses(hand.who):
            self.leave_out(hand, why)
        else:
            hand.admission, hand.has_begun = self.admission, False
            self.ask(hand, "open", self.admission.assignment)

    def _opened(self, hand: Hand, opened: Any) -> None:
        assert self.admission is not None, "it was asked to open a run"
        if why := self.admission.disagrees(opened):
            self.leave_out(hand, why)
            return
        hand.flags = opened.flags
        self.ask(hand, "look", *self.admission.how)

    def _looked(self, hand: Hand, prepared: Prepared) -> None:
        assert self.admission is not None, "it was asked to look at a run"
        if why := self.admission.takes(prepared):
            self.leave_out(hand, why)
            return
        hand.prepared, hand.is_here = prepared, True
        hand.flags = (*hand.flags, *prepared.flags)
        _log.info(
            "%s is ready: %s, batches of %d", hand.name, prepared.precision, prepared.batch_size
        )
        self.joined(hand)

    def _failed(self, hand: Hand, error: Exception) -> None:
        """A call raised: what is wrong with model, images or machine is found out by `SatZooError`.

        What else may be raised may be the images' fault, as the end of a process may be.
        """
        if isinstance(error, SatZooError):
            self.leave_out(hand, str(error))
        else:
            self.gone(hand, f"{type(error).__name__}: {first_line(error)}")

    def gone(self, hand: Hand, reason: str) -> None:
        """It has ended, or is ended: another one comes in its place, unless too many did so."""
        self._drop(hand)
        self._in_vain[hand.place] += 1
        self.ended(hand, f"{hand.name}: {reason}")
        if self._in_vain[hand.place] >= MOST_IN_VAIN:
            self._left_out.append(f"{hand.name}: {reason}")
            self.on_message(f"{hand.name} has ended ({reason}), as others in its place did before")
            return
        self.on_message(f"{hand.name} has ended ({reason}): another one takes its place")
        self._hire(hand.place)

    def leave_out(self, hand: Hand, why: str) -> None:
        """It is no worker of this run, and so is none that would come in its place."""
        self._drop(hand)
        self.withdrawn(hand)
        self._left_out.append(f"{hand.name}: {why}")
        self.on_message(f"{hand.name} is left out: {why}")

    def worked(self, hand: Hand) -> None:
        """It found something, so that what comes in its place is not in vain."""
        self._in_vain[hand.place] = 0

    def _drop(self, hand: Hand) -> None:
        del self.hands[hand.worker]
        self.transport.dismiss(hand.worker)

    def check_any_left(self) -> None:
        """Raises `SatZooError` where no worker is left, nor any to come."""
        if self.hands:
            return
        said = "; ".join(dict.fromkeys(self._left_out)) or "none was there"
        raise SatZooError(
            f"no worker is left ({said}): mend that and give the same command again, which goes on"
            " from what is known"
        )

    def call(self, method: str, *args: Any) -> Any:
        """Ask one worker after the other that has said who it is, until one answers.

        Only between waves. One that cannot is left out. Raises `SatZooError` where none is left.
        """
        while True:
            self.check_any_left()
            free = [hand for hand in self.hands.values() if hand.who and not hand.is_asked]
            if not free:
                for reply in self.transport.wait(WAIT_S):
                    self.hear(reply)
                continue
            self.transport.ask(free[0].worker, method, *args)
            free[0].is_asked = True
            reply = self._reply_of(free[0])
            if reply.lost:
                self.gone(free[0], reply.lost)
            elif reply.error is not None:
                self._failed(free[0], reply.error)
            else:
                return reply.value

    def all_say(self, method: str) -> list[tuple[Hand, Any]]:
        """What each worker of this run answers to `method`; one that ends meanwhile says nothing.

        Only between waves.
        """
        found, left = list[tuple[Hand, Any]](), {*self.hands}
        while left := left & {key for key, hand in self.hands.items() if hand.is_here}:
            # Looked up anew after each answer: others may have ended meanwhile.
            free = [key for key in left if not self.hands[key].is_asked]
            if not free:
                for reply in self.transport.wait(WAIT_S):
                    self.hear(reply)
                continue
            hand = self.hands[free[0]]
            hand.is_asked = True
            self.transport.ask(hand.worker, method)
            reply = self._reply_of(hand)
            left.discard(hand.worker)
            if reply.lost or reply.error is not None:
                self.gone(hand, reply.lost or str(reply.error))
            else:
                found.append((hand, reply.value))
        return found

    def _reply_of(self, hand: Hand) -> Reply:
        while True:
            found: Reply | None = None
            for reply in self.transport.wait(WAIT_S):
                if reply.worker == hand.worker:
                    found = reply
                else:
                    self.hear(reply)
            if found is not None:
                hand.is_asked = False
                return found

    def close(self) -> None:
        """End all workers."""
        for worker in [*self.hands]:
            self.transport.dismiss(worker)
        self.hands.clear()
