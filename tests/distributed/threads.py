"""A team of threads: what needs several ranks, without several processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from redditgnn.distributed.team import Alone, Traffic

Result = TypeVar("Result")
LIMIT_S = 60


class Room:
    """Where the threads of a team leave values for each other."""

    def __init__(self, size: int) -> None:
        self.size, self._values = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=LIMIT_S)

    def collect(self, rank: int, value: Any) -> list[Any]:
        """Leave a value, and return those of all ranks."""
        self._values[rank] = value
        self.barrier.wait()
        values = list(self._values)
        self.barrier.wait()
        return values


class Threads(Alone):
    """A `Team` whose ranks are threads of this process."""

    def __init__(self, room: Room, rank: int) -> None:
        self._room, self.rank, self.size, self.traffic = room, rank, room.size, Traffic()

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor.copy_(sum(self._room.collect(self.rank, tensor.clone())))

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        assert sum(sent) == len(rows)
        away = sum(sent) - sent[self.rank]
        self.traffic.sent_bytes += rows.nbytes * away / max(1, len(rows))
        pieces = self._room.collect(self.rank, rows.split(list(sent)))
        mine = [piece[self.rank] for piece in pieces]
        assert [len(rows) for rows in mine] == list(received)
        return torch.cat(mine)

    def begin_exchange(
        self, rows: Tensor, sent: Sequence[int], received: Sequence[int]
    ) -> Callable[[], Tensor]:
        arrived = self.exchange(rows, sent, received)
        return lambda: arrived

    def gather(self, rows: Tensor) -> list[Tensor]:
        return self._room.collect(self.rank, rows)

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        return self._room.collect(self.rank, rows)

    def broadcast(self, value: Any) -> Any:
        return self._room.collect(self.rank, value)[0]

    def gather_values(self, value: Any) -> list[Any]:
        return self._room.collect(self.rank, value)

    def barrier(self) -> None:
        self._room.barrier.wait()


def on_each_rank(size: int, task: Callable[[Threads], Result]) -> list[Result]:
    """Run `task` on every rank of a team at once, and return what each has returned."""
    room = Room(size)

    def run(rank: int) -> Result:
        try:
            return task(Threads(room, rank))
        except BaseException:
            room.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, rank) for rank in range(size)]
        errors = [future.exception() for future in futures]
    for error in errors:
        if error is not None and not isinstance(error, threading.BrokenBarrierError):
            raise error
    return [future.result() for future in futures]
