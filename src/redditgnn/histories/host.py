"""Histories in host memory or on disk, read and written while the device computes.

One thread does all of it in the order in which it was asked, so that what is pulled when a batch
begins is what the batches before it have pushed. A batch's halo has no node of its own rows:
pulling all layers at its beginning gives what pulling layer by layer would.
"""

from __future__ import annotations

import os
import shutil
import sys
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
from redditgnn.runtime.memory import GIB

ROWS_AT_ONCE = 2**16  # a table is overwritten in pieces, each of which is copied to the host

NewTable = Callable[[int, int, torch.dtype], Tensor]
"""Makes a table of zeros from its rows, its columns and what they are."""


class HostHistories:
    """A `HistoryStore` whose tables `new_table` makes in host memory, for training on `device`."""

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
        """Begin to store `h`, which nobody may change from now on."""
        while self._pushes and self._pushes[0].done():
            self._pushes.popleft().result()  # an error of the thread is raised here
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
        self, table: Tensor, h: Tensor, node_ids: Tensor, computed: torch.cuda.Event | None
    ) -> None:
        table.index_copy_(0, node_ids, self._copies.to_host(h, computed).to(table))


class HostBatch:
    """What one batch pulls and pushes: all layers are on their way once it has begun."""

    def __init__(
        self, store: HostHistories, inside: Int64[Tensor, " rows"], halo: Int64[Tensor, " halo"]
    ) -> None:
        self._store, self._inside, self._halo = store, inside, halo
        self._coming: dict[int, Future[InFlight]] = {}
        self._begun = False

    def begin(self) -> None:
        """Fetch the halo's rows of all layers that have pushed something."""
        self._coming = {layer: self._store.pull(layer, self._halo) for layer in self._store.states}
        self._begun = True

    @torch.compiler.disable  # threads are not to be traced
    def exchange(
        self, layer: int, h: Float[Tensor, "rows width"], node_ids: Int64[Tensor, " nodes"]
    ) -> Float[Tensor, "nodes width"]:
        """Push `h`; append what was fetched, or zeros if nothing was pushed before."""
        if not self._begun:
            self.begin()
        coming = self._coming.pop(layer, None)
        self._store.push(layer, h, self._inside)
        if coming is None:
            return torch.cat([h, h.new_zeros(len(self._halo), h.size(1))])
        return torch.cat([h, coming.result().wait().to(h)])

    def penalty(self, model: Any, batch: Any) -> None:
        return None

    def on(self, other: Histories) -> Histories:
        return other


def in_memory(device: torch.device) -> NewTable:
    """Return what makes tables in host memory, page-locked if `device` is a CUDA device."""

    def new_table(num_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(num_rows, width, dtype=dtype, pin_memory=device.type == "cuda")

    return new_table


def on_disk(folder: Path | None) -> NewTable:
    """Return what makes tables in files without a name, which go when the process does.

    They are in `folder`; None: where the system keeps temporary files.
    """
    place = folder or Path(tempfile.gettempdir())

    def new_table(num_rows: int, width: int, dtype: torch.dtype) -> Tensor:
        size = num_rows * width * dtype.itemsize
        with tempfile.TemporaryFile(dir=place, prefix="histories-") as file:
            try:
                _reserve(file.fileno(), size)
            except OSError as error:
                free = shutil.disk_usage(place).free
                raise ConfigError(
                    f"sampler.history_device=disk needs {size / GIB:.1f} GiB for a layer in "
                    f"{place}, which has {free / GIB:.1f} GiB ({error.strerror}); free some, set "
                    "TMPDIR where data_dir is not writable, or use sampler.history_device=cpu"
                ) from error
            mapped = np.memmap(file, np.uint8, "r+", shape=(size,))  # holds the file by itself
        return torch.from_numpy(mapped).view(dtype).view(num_rows, width)

    return new_table


def _reserve(descriptor: int, size: int) -> None:
    """Give a file its room now: writing to a page that has none kills the process."""
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
