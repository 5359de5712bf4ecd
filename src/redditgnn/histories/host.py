"""Histories in host memory or on disk, read and written while the device computes.

One thread does all of it in the order of the requests, so a batch pulls what the batches before it
pushed. A batch's halo has none of its own rows. Pulling all layers at its beginning therefore gives
the same rows as pulling layer by layer.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import ConfigError
from redditgnn.graph.batch import Histories
from redditgnn.histories.copies import CopyStream, InFlight
from redditgnn.runtime.files import reserve
from redditgnn.runtime.memory import GIB

ROWS_AT_ONCE = 2**16  # a table is overwritten in pieces, each copied to the host

NewTable = Callable[[int, int, torch.dtype], Tensor]
"""Creates a table of zeros, given numbers of rows and columns, and the dtype."""


class HostHistories:
    """A `HistoryStore` with tables in host memory or on disk, for training on `device`."""

    def __init__(self, num_nodes: int, device: torch.device, new_table: NewTable) -> None:
        self._num_nodes, self._new_table = num_nodes, new_table
        self._copies = CopyStream(device)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="histories")
        self._pushes: deque[Future[None]] = deque()
        self.states: dict[int, Tensor] = {}

    def of_batch(self, node_ids: Int64[Tensor, " nodes"], num_inside: int) -> HostBatch:
        return HostBatch(self, node_ids[:num_inside], node_ids[num_inside:])

    def pull(self, layer: int, node_ids: Int64[Tensor, " rows"]) -> Future[InFlight]:
        """Begin to fetch these rows."""
        return self._thread.submit(self._pull, self.states[layer], node_ids)

    def push(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " rows"]
    ) -> None:
        """Begin to store `h`, which must not change from now on."""
        while self._pushes and self._pushes[0].done():
            self._pushes.popleft().result()  # raises an error of the thread
        table = self._table(layer, h)
        job = self._thread.submit(self._push, table, h.detach(), node_ids, self._copies.mark())
        self._pushes.append(job)

    def overwrite(self, layer: int, states: Float[Tensor, "nodes width"]) -> None:
        self.settle()
        table = self._table(layer, states)
        for start in range(0, len(table), ROWS_AT_ONCE):
            table[start : start + ROWS_AT_ONCE].copy_(states[start : start + ROWS_AT_ONCE])

    def settle(self) -> None:
        while self._pushes:
            self._pushes.popleft().result()

    def _table(self, layer: int, h: Float[Tensor, "_ width"]) -> Tensor:
        if layer not in self.states:
            self.states[layer] = self._new_table(self._num_nodes, h.size(1), h.dtype)
        return self.states[layer]

    def _pull(self, table: Tensor, node_ids: Tensor) -> InFlight:
        shape = (len(node_ids), table.size(1))
        rows = torch.empty(shape, dtype=table.dtype, pin_memory=self._copies.needs_pinned)
        torch.index_select(table, 0, node_ids, out=rows)
        return self._copies.to_device(rows)

    def _push(
        self, table: Tensor, h: Tensor, node_ids: Tensor, event: torch.cuda.Event | None
    ) -> None:
        table.index_copy_(0, node_ids, self._copies.to_host(h, event).to(table))


class HostBatch:
    """One batch's pulls and pushes. `begin` pulls all layers at once."""

    def __init__(
        self, store: HostHistories, inside: Int64[Tensor, " rows"], halo: Int64[Tensor, " halo"]
    ) -> None:
        self._store, self._inside, self._halo = store, inside, halo
        self._pulls: dict[int, Future[InFlight]] = {}
        self._has_begun = False

    def begin(self) -> None:
        """Fetch the halo's rows of all layers that have pushed something."""
        self._pulls = {layer: self._store.pull(layer, self._halo) for layer in self._store.states}
        self._has_begun = True

    @torch.compiler.disable  # threads cannot be traced
    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Push `h` and append the fetched rows, or zeros if nothing was pushed before."""
        if not self._has_begun:
            self.begin()
        pull = self._pulls.pop(layer, None)
        self._store.push(layer, h, self._inside)
        if pull is None:
            return torch.cat([h, h.new_zeros(len(self._halo), h.size(1))])
        return torch.cat([h, pull.result().wait().to(h)])

    def penalty(self, model: Any, batch: Any) -> None:
        return None

    def with_states_of(self, other: Histories) -> Histories:
        return other


def in_memory(device: torch.device) -> NewTable:
    """Return a function that creates tables in host memory, page-locked for a CUDA device."""

    def new_table(num_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(num_rows, width, dtype=dtype, pin_memory=device.type == "cuda")

    return new_table


def on_disk(folder: Path | None) -> NewTable:
    """Return a function that creates tables in unnamed files, which vanish with the process.

    They are in `folder`, or in the system's folder for temporary files for None.
    """
    directory = folder or Path(tempfile.gettempdir())

    def new_table(num_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        size = num_rows * width * dtype.itemsize
        with tempfile.TemporaryFile(dir=directory, prefix="histories-") as file:
            try:
                reserve(file.fileno(), size)
            except OSError as error:
                free = shutil.disk_usage(directory).free
                raise ConfigError(
                    f"sampler.history_device=disk needs {size / GIB:.1f} GiB for a layer in "
                    f"{directory}, which has {free / GIB:.1f} GiB ({error.strerror}); free some, "
                    "set TMPDIR where data_dir is not writable, or use sampler.history_device=cpu"
                ) from error
            memory_map = np.memmap(
                file, np.uint8, "r+", shape=(size,)
            )  # keeps the file open by itself
        return torch.from_numpy(memory_map).view(dtype).view(num_rows, width)

    return new_table
