"""The batches of one epoch, prepared ahead in a background thread, and its seconds by phase."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from redditgnn.distributed.team import Team
from redditgnn.graph.batch import Batch
from redditgnn.runtime.measure import Phases, Stopwatch
from redditgnn.sampler.base import Divisible, IsChosen, Sampler

SECONDS = ("epoch_s", "sample_s", "transfer_s", "compute_s", "wait_s")


def batches_from(sampler: Sampler, first: int, is_own: IsChosen) -> Iterator[Batch]:
    """Yield the batches of an epoch from number `first` on, of those that `is_own` chooses.

    Others are not built where the sampler can leave them out.
    """

    def is_chosen(number: int) -> bool:
        return number >= first and is_own(number)

    if isinstance(sampler, Divisible):
        yield from sampler.select(is_chosen)
    else:
        yield from (batch for number, batch in enumerate(sampler) if is_chosen(number))


class EpochClock:
    """Gives `batches`, those of an epoch that are still to come, and adds up its seconds.

    What an earlier process has spent on the epoch is counted, too. The collectives of `team` count
    as waiting.

    Attributes:
        phases: Counts `transfer` and `compute`.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        earlier: dict[str, float],
        device: torch.device,
        team: Team,
    ) -> None:
        self._watch, self.phases = Stopwatch(device), Phases(device)
        self._batches = Prefetched(batches, device)
        self._earlier, self._paused_s = earlier, 0.0
        self._team, self._waited_s = team, team.traffic.wait_s

    def batches(self) -> Iterator[Batch]:
        """Prepare the batches in the background."""
        return iter(self._batches)

    def pause(self, seconds: float) -> None:
        """Leave out `seconds`, which went into something else."""
        self._paused_s += seconds

    def seconds(self) -> dict[str, float]:
        """Return the columns of `SECONDS` until now; waits for the device."""
        now = {
            "epoch_s": self._watch.seconds() - self._paused_s,
            "sample_s": self._batches.prepare_s,
            "transfer_s": self.phases.seconds("transfer"),
            "compute_s": self.phases.seconds("compute"),
            "wait_s": self._team.traffic.wait_s - self._waited_s,
        }
        return {name: self._earlier[name] + now[name] for name in SECONDS}


Item = TypeVar("Item")


DEPTH = 2  # items ahead: the second evens out steps and items that take unequally long


class Prefetched(Generic[Item]):
    """Iterates over `items`, `DEPTH` of them ahead, in their order and with their errors.

    One thread makes all items one after another, so that they are the same as without it. When the
    loop is left early, what it is making is still finished, and then it ends.

    Attributes:
        prepare_s: Seconds that the background thread has spent making items.
    """

    def __init__(self, items: Iterable[Item], device: torch.device | None = None) -> None:
        self._items, self._device = items, device
        self.prepare_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        source = iter(self._items)
        pool = ThreadPoolExecutor(1, "sampler", self._begin)
        coming: deque[Future[tuple[Item] | None]] = deque()
        try:
            for _ in range(DEPTH):
                coming.append(pool.submit(self._next, source))
            while (item := coming.popleft().result()) is not None:
                coming.append(pool.submit(self._next, source))
                yield item[0]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        """Make `device` the current one of the thread: kernels of Triton start there."""
        if self._device is not None and self._device.type == "cuda":
            torch.cuda.set_device(self._device)

    def _next(self, source: Iterator[Item]) -> tuple[Item] | None:
        start = time.perf_counter()
        try:
            return (next(source),)
        except StopIteration:
            return None
        finally:
            self.prepare_s += time.perf_counter() - start
