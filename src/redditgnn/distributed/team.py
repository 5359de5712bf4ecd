"""The processes that train one model, and the collectives between them.

Every process must call the same collectives in the same order. `Alone` is a team of one, which
needs no process group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import Store

from redditgnn.distributed.reports import Report, Reports
from redditgnn.errors import TeamFailed

PATIENCE = timedelta(days=2)  # where others wait for work that only rank 0 does
REPORT_S = 5.0  # from a broken connection to the report of the process that broke it
MIXED = {"gloo": "gloo", "nccl": "cpu:gloo,cuda:nccl"}  # objects travel in host memory
Value = TypeVar("Value")


@dataclass(slots=True)
class Traffic:
    """Seconds that this process has spent in collectives, bytes sent there, and steps taken.

    Waiting for work that only rank 0 does is left out.
    """

    wait_s: float = 0.0
    sent_bytes: float = 0.0
    num_steps: int = 0


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

    def begin_exchange(
        self, rows: Tensor, sent: Sequence[int], received: Sequence[int]
    ) -> Callable[[], Tensor]:
        """Begin an `exchange`; the result waits for what arrives, and returns it."""
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

    def gather_values(self, value: Value) -> list[Value]:
        """Return the value of every rank, which may be any object that can be pickled."""
        ...

    def barrier(self) -> None:
        """Wait until all processes are here."""
        ...

    def wire_device(self, device: torch.device) -> torch.device:
        """Return where tensors of `device` have to be while they are sent."""
        ...

    def close(self) -> None:
        """Leave the team."""
        ...

    def report(self, status: str, text: str) -> None:
        """Tell the others how this process ends early."""
        ...

    def first_report(self) -> Report | None:
        """Return what the first process that ended early said, None if nobody did."""
        ...


class Alone:
    """A team of one process."""

    def __init__(self) -> None:
        self.rank, self.size, self.traffic = 0, 1, Traffic()

    def report(self, status: str, text: str) -> None:
        pass

    def first_report(self) -> Report | None:
        return None

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        return rows

    def begin_exchange(
        self, rows: Tensor, sent: Sequence[int], received: Sequence[int]
    ) -> Callable[[], Tensor]:
        return lambda: rows

    def gather(self, rows: Tensor) -> list[Tensor]:
        return [rows]

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        return [rows]

    def broadcast(self, value: Value) -> Value:
        return value

    def gather_values(self, value: Value) -> list[Value]:
        return [value]

    def barrier(self) -> None:
        pass

    def wire_device(self, device: torch.device) -> torch.device:
        return device

    def close(self) -> None:
        pass


class Rehearsal(Alone):
    """One rank of a team that is not there, to build what it would: others send zeros."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__()
        self.rank, self.size = rank, size

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        return rows.new_zeros((sum(received), *rows.shape[1:]))


class Processes:
    """A team of several processes in a process group of torch.distributed.

    Args:
        store: Where the processes find each other.
        backend: `gloo`, or `nccl` for tensors on CUDA devices.
        timeout_s: How long a step waits for the other processes. `broadcast` and `barrier` wait as
            long as it takes.
    """

    def __init__(
        self, store: Store, rank: int, size: int, *, backend: str, timeout_s: float
    ) -> None:
        self.rank, self.size, self.traffic = rank, size, Traffic()
        self._reports, self._backend = Reports(store), backend
        timeout = timedelta(seconds=timeout_s)
        dist.init_process_group(
            MIXED[backend], store=store, rank=rank, world_size=size, timeout=timeout
        )
        self._patient = dist.new_group(backend="gloo", timeout=PATIENCE)

    def sum_(self, tensor: Tensor) -> Tensor:
        whole = self._reachable(tensor)
        # A ring sends every element twice, except the share that a process keeps.
        with self._counted(2 * tensor.nbytes * (self.size - 1) / self.size):
            dist.all_reduce(whole)
        return tensor if whole is tensor else tensor.copy_(whole)

    def exchange(self, rows: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        return self.begin_exchange(rows, sent, received)()

    def begin_exchange(
        self, rows: Tensor, sent: Sequence[int], received: Sequence[int]
    ) -> Callable[[], Tensor]:
        own, away = self._reachable(rows.contiguous()), sum(sent) - sent[self.rank]
        arrived = own.new_empty((sum(received), *rows.shape[1:]))
        with self._counted(rows.nbytes * away / max(1, len(rows))):
            work = dist.all_to_all_single(arrived, own, list(received), list(sent), async_op=True)

        def wait() -> Tensor:
            with self._counted(0):
                work.wait()
            return arrived.to(rows.device)

        return wait

    def gather(self, rows: Tensor) -> list[Tensor]:
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(rows)
        numbers = self.sum_(counts).tolist()
        padded = rows.new_zeros((max(numbers), *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = self.gather_equal(padded)
        return [part[:number] for part, number in zip(parts, numbers, strict=True)]

    def gather_equal(self, rows: Tensor) -> list[Tensor]:
        own = self._reachable(rows)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        with self._counted(rows.nbytes * (self.size - 1)):
            dist.all_gather(parts, own)
        return [part.to(rows.device) for part in parts]

    def broadcast(self, value: Value) -> Value:
        values = [value]
        with others_present(self.rank):
            dist.broadcast_object_list(values, group=self._patient, device=torch.device("cpu"))
        return values[0]

    def gather_values(self, value: Value) -> list[Value]:
        values: list[Any] = [None] * self.size
        with others_present(self.rank):
            dist.all_gather_object(values, value, group=self._patient)
        return values

    def barrier(self) -> None:
        with others_present(self.rank):
            dist.all_reduce(torch.zeros(1), group=self._patient)

    def close(self) -> None:
        dist.destroy_process_group()

    def report(self, status: str, text: str) -> None:
        self._reports.add(Report(self.rank, status, text))

    def first_report(self) -> Report | None:
        return self._reports.first(REPORT_S)

    def wire_device(self, device: torch.device) -> torch.device:
        """Return where the backend reads what is computed on `device`: gloo reads host memory."""
        return device if self._backend == "nccl" else torch.device("cpu")

    def _reachable(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.wire_device(tensor.device))

    @contextmanager
    def _counted(self, num_bytes: int | float) -> Iterator[None]:
        """Count seconds and bytes of a collective."""
        start = time.perf_counter()
        with others_present(self.rank):
            yield
        self.traffic.wait_s += time.perf_counter() - start
        self.traffic.sent_bytes += num_bytes


@contextmanager
def others_present(rank: int) -> Iterator[None]:
    """Enclose a collective of the process `rank`.

    Raises:
        TeamFailed: another process has ended, or does not answer in time.
    """
    try:
        yield
    except RuntimeError as error:
        raise TeamFailed(f"process {rank} lost the others ({first_line(error)})") from error


def first_line(error: RuntimeError) -> str:
    """Return what torch says first about an error of its own."""
    return (str(error).splitlines() or ["no reason given"])[0][:160]


@contextmanager
def rank_zero_first(team: Team) -> Iterator[None]:
    """Let rank 0 do the enclosed work before the others: it fills caches that they read."""
    if team.rank > 0:
        team.barrier()
    yield
    if team.rank == 0:
        team.barrier()
