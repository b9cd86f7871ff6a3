"""One stage on the surviving images: rows leave when broken, the next images take their places."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator

import torch
from torch import Tensor

from eval.attacks.attack import Attack
from eval.attacks.losses import is_finite
from eval.attacks.registry import fault as attack_fault
from eval.attacks.search import Search
from eval.engine.batching import is_out_of_memory, no_memory, warn_of_halving
from eval.engine.engine import CHECK_IMAGES
from eval.errors import SatZooError, first_line
from eval.executors.base import Broken, Ended, Event, Meter, Setting, Survived
from eval.executors.rows import shares, tasks
from eval.verify import predict, verify

REFILL_AT = 0.25
"""New images join when this share of the places is free: fewer, larger starts."""

CUDA_STRIDE = 10
"""Steps between looks at the rows on a GPU, where each look makes the host wait."""


class StageSearch:
    """The rows of one stage that are being searched, at most `batch_size` at a time.

    Rows live in two searches: `search` steps with the engine's fast network; where that is bf16,
    rows whose runs are over move to `polish`, which steps with the fp32 network.

    What a fast copy of the model found nothing against is told only after the copy has proven
    itself again. When it is at fault, the images that it searched since its last proof are searched
    again by the model itself.

    When memory runs out, `batch_size` is halved and the rows under way start over. Their random
    numbers are their own, so they come to the same verdicts; a result may be told twice.

    name: of the stage. meter: is told of candidates that verification refused. Images come in by
    `add`, and each `turn` is one step of all.
    """

    def __init__(
        self, setting: Setting, name: str, attack: Attack, batch_size: int, meter: Meter
    ) -> None:
        self.setting, self.name, self.attack = setting, name, attack
        self.engine, self.meter = setting.engine, meter
        # A search in fp32 has nothing to polish.
        self.polish_steps = attack.polish_steps if self.engine.precision == "bf16" else 0
        self._waiting = deque[int]()
        self.batch_size = batch_size
        self.engine.fit(batch_size)
        self._search: Search | None = None
        self._polish: Search | None = None
        self._broken: set[int] = set()  # some still on the way to their last iterate
        self._under_way: dict[int, None] = {}  # positions in either search, in order
        self._unproven: dict[int, Survived | None] = {}  # ended since then; None: not to be told
        self._met = torch.empty(0)  # images like those that the copy works on

    def add(self, positions: Iterable[int]) -> None:
        """These images are to be attacked too, after those that wait already."""
        self._waiting.extend(positions)

    @property
    def n_rows(self) -> int:
        """Images under way and waiting."""
        return len(self._under_way) + len(self._waiting)

    def shares(self) -> dict[int, float]:
        """How far each image is that came in and has no verdict, or is about to have one."""
        gone = shares(self.attack, self.polish_steps, self._search, self._polish)
        return gone | dict.fromkeys(self._unproven, 1.0)

    @property
    def has_work(self) -> bool:
        """Whether anything is left to try, or to tell."""
        return self._is_searching() or bool(self._unproven)

    def _is_searching(self) -> bool:
        return bool(self._waiting) or self._search is not None or self._polish is not None

    def turn(self) -> Iterator[Event]:
        """The next step of all rows, for as long as it `has_work`.

        Yields a `Broken` as soon as one is verified, and a `Survived` once that is proven; from
        attacks that look at it, the `Ended` of each run too, after the `Broken` of the search and
        before what the polish finds.
        """
        try:
            yield from self._round()
            yield from self._tell_proven()
            return
        except SatZooError:
            raise
        except Exception as error:
            has_memory = not is_out_of_memory(error)
            if has_memory and not self.engine.is_copy:
                if said := attack_fault(self.name, self.attack, error):
                    raise said from error
                raise
            if has_memory:
                self.engine.retire(f"fails ({first_line(error)})")
            elif len(self._under_way) <= 1:
                raise no_memory(self.name, error) from error
        # Outside of `except`: the error would keep the tensors of its frames alive.
        if has_memory:
            self.search_again()
        else:
            self.batch_size = min(self.batch_size, len(self._under_way)) // 2
            self.engine.fit(self.batch_size)
            self._start_over(self._under_way)
            warn_of_halving(self.name, self.batch_size)

    def _tell_proven(self) -> Iterator[Survived]:
        """The survivors, where a copy of the model found nothing as soon as it is proven again."""
        engine = self.engine
        if engine.is_copy:
            if not engine.must_prove() and self._is_searching():
                return
            if not engine.prove_again(self._met):
                self.search_again()
                return
        ended, self._unproven = self._unproven, {}
        yield from (survived for survived in ended.values() if survived is not None)

    def search_again(self) -> None:
        """With the model itself, whatever its copy searched since it was last proven."""
        again = [*self._unproven, *self._under_way]
        self._unproven = {}
        self._start_over(again)

    def _round(self) -> Iterator[Event]:
        self._refill()
        if self._search is not None:
            yield from self._advance_search(self._search)
        if self._polish is not None and self._polish_is_due():
            yield from self._run_polish(self._polish)

    def _start_over(self, positions: Iterable[int]) -> None:
        """Search the images at `positions`, all that are under way among them, from the start."""
        self._search = self._polish = None
        done = self._broken if self.attack.leaves_when_broken else set()
        self._waiting.extendleft([p for p in positions if p not in done][::-1])
        self._under_way.clear()
        if self.setting.device.type == "cuda":
            torch.cuda.empty_cache()

    def _refill(self) -> None:
        n_free = self.batch_size - (0 if self._search is None else len(self._search))
        if not self._waiting or (self._search is not None and n_free < self.batch_size * REFILL_AT):
            return
        n_new = min(n_free, len(self._waiting))
        positions = [self._waiting.popleft() for _ in range(n_new)]
        self._under_way.update(dict.fromkeys(positions))
        task = self.attack.prepared(self.engine.exact, tasks(self.setting, self.name, positions))
        self._met = task.x[:CHECK_IMAGES]
        new = self.attack.start(self.engine.search, task, torch.zeros_like(task.key))
        self._search = new if self._search is None else self._search.cat(new)

    def _advance_search(self, search: Search) -> Iterator[Event]:
        attack = self.attack
        for _ in range(self._stride(search)):  # rows that have no steps left are not here
            attack.advance(self.engine.search, search)
        is_over = attack.end(self.engine.search, search).cpu()
        self._met = search.best[:CHECK_IMAGES]
        newly = yield from self._verify_hits(search)
        if not newly and not bool(is_over.any()):
            return
        is_broken = torch.tensor([p in self._broken for p in search.task.position.tolist()])
        ends = is_over & ((search.run.cpu() >= attack.n_runs - 1) | is_broken)
        yield from self._last_iterates(search, ends)
        is_broken = torch.tensor([p in self._broken for p in search.task.position.tolist()])
        survives = ends & ~is_broken
        if self.polish_steps and bool(survives.any()):
            self._send_to_polish(search, survives)
        else:
            self._survived(search, survives)
        leaves = ends | (is_broken & attack.leaves_when_broken)
        fallen = search.task.position[leaves & is_broken]
        self._forget(fallen)
        if not attack.leaves_when_broken:  # their last iterates are the copy's too
            self._unproven.update(dict.fromkeys(fallen.tolist()))
        self._search = self._start_next_runs(search, is_over & ~leaves, leaves)

    def _start_next_runs(self, search: Search, again: Tensor, leaves: Tensor) -> Search | None:
        if bool(leaves.all()):
            return None
        if bool(leaves.any()):
            search, again = search.select(~leaves), again[~leaves]
        rows = again.nonzero().squeeze(1).to(search.k.device)
        if len(rows):
            old = search.select(rows)
            fresh = self.attack.start(self.engine.search, old.task, old.run + 1)
            fresh.remember(old)
            search.put(rows, fresh)
        return search

    def _verify_hits(self, search: Search) -> Generator[Broken, None, bool]:
        """Verify the claimed images; yields the broken ones, returns whether there was one."""
        if not bool(search.is_hit.any()):
            return False
        is_open = [p not in self._broken for p in search.task.position.tolist()]
        rows = (search.is_hit & torch.tensor(is_open, device=search.is_hit.device)).nonzero()
        # A refused candidate is forgotten, and the search goes on.
        search.is_hit.zero_()
        rows = rows.squeeze(1)
        if len(rows) == 0:
            return False
        task, x_adv = search.task.select(rows), search.candidate[rows]
        checked = verify(self.setting.classifier, task.x, x_adv, task.y, self.setting.threat)
        hits = checked.is_broken.nonzero().squeeze(1).tolist()
        self.meter.rejected += len(rows) - len(hits)
        had_nan = search.had_nan[rows].tolist()
        for i in hits:
            position, is_8bit = int(task.position[i]), bool(checked.is_broken_8bit[i])
            self._broken.add(position)
            yield Broken(self.name, position, x_adv[i], is_8bit, had_nan=had_nan[i])
        return bool(hits)

    def _send_to_polish(self, search: Search, survives: Tensor) -> None:
        rows = search.select(survives)
        self._polish = rows if self._polish is None else self._polish.cat(rows)

    def _polish_is_due(self) -> bool:
        """Polishing waits until it fills a batch, or nothing else is left to do."""
        assert self._polish is not None
        return self._search is None or len(self._polish) >= self.batch_size

    def _run_polish(self, polish: Search) -> Iterator[Broken]:
        self._polish = None
        attack, net = self.attack, self.engine.exact
        attack.resume(net, polish, self.polish_steps)
        left = polish
        while True:
            found = yield from self._verify_hits(left)
            if found:
                still = [p not in self._broken for p in left.task.position.tolist()]
                self._forget(left.task.position[~torch.tensor(still)])
                if not any(still):
                    return
                left = left.select(torch.tensor(still))
            if not bool((left.k < attack.n_steps).any()):
                self._survived(left, torch.ones(len(left), dtype=torch.bool))
                return
            stride = self._stride(left)
            if stride == 1:
                attack.step(net, left)
                continue
            for _ in range(stride):  # every row has them left, so that none is asked whether it has
                attack.advance(net, left)
            attack.end(net, left)

    def _survived(self, search: Search, rows: Tensor) -> None:
        positions = search.task.position[rows]
        self._forget(positions)
        at = rows.to(search.k.device)
        had_gradient, had_nan = search.had_gradient[at].tolist(), search.had_nan[at].tolist()
        for position, gradient, nan in zip(positions.tolist(), had_gradient, had_nan, strict=True):
            self._unproven[position] = Survived(self.name, position, gradient, nan)

    def _forget(self, positions: Tensor) -> None:
        for position in positions.tolist():
            del self._under_way[position]

    def _last_iterates(self, search: Search, ends: Tensor) -> Iterator[Event]:
        if self.attack.leaves_when_broken or not bool(ends.any()):
            return
        rows = ends.nonzero().squeeze(1)
        x_adv = search.last_iterate()[rows.to(search.k.device)]
        # Where the model breaks down it is not fooled, see `eval.verify`.
        logits = predict(self.setting.classifier, x_adv).cpu()
        is_right = (logits.argmax(1) == search.task.y.cpu()[rows]) | ~is_finite(logits)
        # The search, in other arithmetic, may have taken a last iterate for right that is not.
        wrong = rows[~is_right].to(search.k.device)
        search.candidate[wrong] = x_adv[(~is_right).to(x_adv.device)]
        search.is_hit[wrong] = True
        yield from self._verify_hits(search)
        for position, right in zip(
            search.task.position[rows].tolist(), is_right.tolist(), strict=True
        ):
            yield Ended(self.name, position, right or position not in self._broken)

    def _stride(self, search: Search) -> int:
        if self.setting.device.type != "cuda":
            return 1
        left = int(self.attack.n_steps - search.k.max())
        return max(1, min(CUDA_STRIDE, left))
