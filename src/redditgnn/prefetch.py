"""Prepare the next items in a background thread while the present one is being used."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")

DEPTH = 2  # items ahead: the second evens out steps and items that take unequally long


class Prefetched(Generic[Item]):
    """Iterates over `items`, `DEPTH` of them ahead, in their order and with their errors.

    One thread makes all items one after another, so that they are the same as without it. When the
    loop is left early, what it is making is still finished, and then it ends.

    Attributes:
        prepare_s: Seconds that the background thread has spent making items.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.prepare_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        source = iter(self._items)
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sampler")
        coming: deque[Future[tuple[Item] | None]] = deque()
        try:
            for _ in range(DEPTH):
                coming.append(pool.submit(self._next, source))
            while (found := coming.popleft().result()) is not None:
                coming.append(pool.submit(self._next, source))
                yield found[0]
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, source: Iterator[Item]) -> tuple[Item] | None:
        start = time.perf_counter()
        try:
            return (next(source),)
        except StopIteration:
            return None
        finally:
            self.prepare_s += time.perf_counter() - start
