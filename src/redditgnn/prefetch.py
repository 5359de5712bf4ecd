"""Prepare the next item in a background thread while the present one is being used."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Prefetched(Generic[Item]):
    """Iterates over `items` one ahead; the threads meet once an item, so order is kept.

    Attributes:
        prepare_s: Seconds that the background thread has spent making items.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self.prepare_s = 0.0

    def __iter__(self) -> Iterator[Item]:
        source = iter(self._items)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sampler") as pool:
            coming = pool.submit(self._next, source)
            while (found := coming.result()) is not None:
                coming = pool.submit(self._next, source)
                yield found[0]

    def _next(self, source: Iterator[Item]) -> tuple[Item] | None:
        start = time.perf_counter()
        try:
            return (next(source),)
        except StopIteration:
            return None
        finally:
            self.prepare_s += time.perf_counter() - start
