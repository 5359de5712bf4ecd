"""The processes that train one model, and the collectives between them.

Every process must call the same collectives in the same order. `Alone` is a team of one, which
needs no process group.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import Store

MIXED = {"gloo": "gloo", "nccl": "cpu:gloo,cuda:nccl"}  # objects travel in host memory
Value = TypeVar("Value")


@dataclass(slots=True)
class Traffic:
    """Seconds that this process has spent in collectives, and bytes that it has sent there."""

    wait_s: float = 0.0
    sent_bytes: float = 0.0


@runtime_checkable
class Team(Protocol):
    """The processes of a run as one of them sees them.

    Attributes:
        rank: The number of this process, from 0.
        size: The number of processes.
        traffic: What the collectives have cost this process.
    """

    rank: int
    size: int
    traffic: Traffic

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace `tensor` by its sum over all processes, and return it."""
        ...

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        """Send `sent[r]` of the `rows` to each rank r, in their order; return what arrived.

        That is `received[r]` rows of each rank r, in the order of ranks.
        """
        ...

    def gather(self, rows: Tensor) -> list[Tensor]:
        """Return the rows of every rank. Their numbers may differ."""
        ...

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        """Return the tensor of every rank. All have the same shape."""
        ...

    def broadcast(self, value: Value) -> Value:
        """Return the value of rank 0, which may be any object that can be pickled."""
        ...

    def barrier(self) -> None:
        """Wait until all processes are here."""
        ...

    def close(self) -> None:
        """Leave the team."""
        ...


class Alone:
    """A team of one process."""

    def __init__(self) -> None:
        self.rank, self.size, self.traffic = 0, 1, Traffic()

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        return rows

    def gather(self, rows: Tensor) -> list[Tensor]:
        return [rows]

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        return [rows]

    def broadcast(self, value: Value) -> Value:
        return value

    def barrier(self) -> None:
        pass

    def close(self) -> None:
        pass


class Processes:
    """A team of several processes in a process group of torch.distributed.

    Args:
        store: Where the processes find each other.
        backend: `gloo`, or `nccl` for tensors on CUDA devices.
        timeout_s: How long a collective waits for the other processes.
    """

    def __init__(
        self, store: Store, rank: int, size: int, *, backend: str, timeout_s: float
    ) -> None:
        self.rank, self.size, self.traffic = rank, size, Traffic()
        timeout = timedelta(seconds=timeout_s)
        dist.init_process_group(
            MIXED[backend], store=store, rank=rank, world_size=size, timeout=timeout
        )

    def sum_(self, tensor: Tensor) -> Tensor:
        # A ring sends every element twice, except the share that a process keeps.
        with self._counted(2 * tensor.nbytes * (self.size - 1) / self.size):
            dist.all_reduce(tensor)
        return tensor

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        arrived = rows.new_empty((sum(received), *rows.shape[1:]))
        away = sum(sent) - sent[self.rank]
        with self._counted(rows.nbytes * away / max(1, len(rows))):
            dist.all_to_all_single(arrived, rows.contiguous(), list(received), list(sent))
        return arrived

    def gather(self, rows: Tensor) -> list[Tensor]:
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(rows)
        numbers = self.sum_(counts).tolist()
        padded = rows.new_zeros((max(numbers), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = self.gather_equal(padded)
        return [part[:number] for part, number in zip(parts, numbers, strict=True)]

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        with self._counted(rows.nbytes * (self.size - 1)):
            dist.all_gather(parts, rows)
        return parts

    def broadcast(self, value: Value) -> Value:
        values = [value]
        with self._counted(0):
            dist.broadcast_object_list(values, device=torch.device("cpu"))
        return values[0]

    def barrier(self) -> None:
        self.sum_(torch.zeros(1))

    def close(self) -> None:
        dist.destroy_process_group()

    @contextmanager
    def _counted(self, num_bytes: int | float) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.traffic.wait_s += time.perf_counter() - start
        self.traffic.sent_bytes += num_bytes
