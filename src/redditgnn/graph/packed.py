"""Features of coming batches, copied to disk in the order of their use (DiskGNN, Liu et al. 2024).

Batches are drawn ahead, in windows. One pass over the feature table copies the rows of a window's
batches into a pack: a file with a segment for each batch. Training then reads segment by segment.
The table and the pack are read and written in their own order, where single rows would be read all
over the table. While a window is in use, the next is packed.

The pack has no name, so it vanishes with the process, however that ends.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import IO, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import ConfigError, require
from redditgnn.graph.batch import Batch
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.runtime.files import reserve
from redditgnn.runtime.memory import GIB, read_ahead

DEFAULT_GIB, FREE_SHARE = 8, 0.5  # of the disk: the least of both
PIECE = 2**26  # bytes of the table at once
DENSE_SHARE = 1 / 8  # of a piece: above it, the piece is read ahead as a whole
WINDOWS = 2  # one is in use, the next is packed


class Segment(NamedTuple):
    """Where a pack has the rows of a batch, in ascending order of `node_ids`."""

    batch: Batch
    node_ids: Int64[Tensor, " rows"]
    position: Int64[Tensor, " rows"]
    first_row: int


class Packing:
    """Packs of the rows of `table`, on the disk of `folder`, of at most `gib` together.

    `folder` None: that of temporary files. `gib` None: `DEFAULT_GIB`, or `FREE_SHARE` of what is
    free if that is less. A batch that needs more than half of it has a pack of its own.

    Raises:
        ConfigError: the features are sparse, or `gib` is not positive.
    """

    def __init__(
        self,
        table: Float[Tensor, "nodes features"] | SparseFeatures,
        folder: Path | None,
        gib: int | float | None,
    ) -> None:
        require(
            isinstance(table, Tensor) and Rows(table).sparse is None,
            "sampler.feature_tier=packed needs dense features, and nearly all of this dataset's "
            "are zero; use sampler.feature_tier=mmap",
        )
        assert isinstance(table, Tensor)
        require(gib is None or gib > 0, f"sampler.pack_gib must be positive, got {gib}")
        self._table, self._folder = table, folder or Path(tempfile.gettempdir())
        self._row_bytes = table.size(1) * table.element_size()
        free = shutil.disk_usage(self._folder).free
        self.num_bytes = int(
            min(DEFAULT_GIB * GIB, FREE_SHARE * free) if gib is None else gib * GIB
        )

    def describe(self) -> str:
        """Describe in one line what is stored where."""
        table, most = (size / GIB for size in (len(self._table) * self._row_bytes, self.num_bytes))
        return (
            f"feature_tier=packed: rows of the features ({table:.2f} GiB) are copied in the order "
            f"of use into files in {self._folder}, which take at most {most:.2f} GiB"
        )

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the same batches, with features that are read from a pack."""
        is_left = Event()
        windows = self._windows(takewhile(lambda _: not is_left.is_set(), batches))

        def pack_next() -> Pack | None:
            window = next(windows, None)
            return None if window is None else self._pack(window, is_left)

        with ThreadPoolExecutor(1, "packing") as pool:
            coming = pool.submit(pack_next)
            try:
                while (pack := coming.result()) is not None:
                    coming = pool.submit(pack_next)
                    with pack.file:
                        yield from pack.batches()
            finally:  # the epoch may be left early, and a signal does not wait for a pack
                is_left.set()
                if coming.exception() is None and (left := coming.result()) is not None:
                    left.file.close()

    def _windows(self, batches: Iterator[Batch]) -> Iterator[list[Batch]]:
        """Split `batches` into as many as a pack may hold."""
        most = self.num_bytes // WINDOWS // max(1, self._row_bytes)
        window: list[Batch] = []
        num_rows = 0
        for batch in batches:
            if window and num_rows + len(batch.node_ids) > most:
                yield window
                window, num_rows = [], 0
            window.append(batch)
            num_rows += len(batch.node_ids)
        if window:
            yield window

    def _pack(self, window: Sequence[Batch], is_left: Event) -> Pack:
        segments: list[Segment] = []
        first_row = 0
        for batch in window:
            node_ids, order = batch.node_ids.sort()
            position = torch.empty_like(order)
            position[order] = torch.arange(len(order))
            segments.append(Segment(batch, node_ids, position, first_row))
            first_row += len(order)
        file = self._new_file(first_row * self._row_bytes)
        pack = Pack(file, segments, self._table[:0], self._row_bytes)
        self._copy(pack, is_left)
        return pack

    def _new_file(self, size: int) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=self._folder, prefix="pack-", buffering=0)  # noqa: SIM115
        try:
            reserve(file.fileno(), size)
        except OSError as error:
            file.close()
            free = shutil.disk_usage(self._folder).free
            raise ConfigError(
                f"sampler.feature_tier=packed needs {size / GIB:.1f} GiB in {self._folder}, which "
                f"has {free / GIB:.1f} GiB ({error.strerror}); free some, lower sampler.pack_gib, "
                "or use sampler.feature_tier=mmap"
            ) from error
        return file

    def _copy(self, pack: Pack, is_left: Event) -> None:
        """Go through the table once, and append each piece's rows to the segments."""
        rows = max(1, PIECE // max(1, self._row_bytes))
        bounds = torch.arange(0, len(self._table) + rows, rows)
        cuts = torch.stack([torch.searchsorted(each.node_ids, bounds) for each in pack.segments])
        for piece, (starts, ends) in enumerate(zip(cuts.T[:-1], cuts.T[1:], strict=True)):
            if is_left.is_set():
                return
            if (ends - starts).sum() > DENSE_SHARE * rows:
                read_ahead(self._table[piece * rows : (piece + 1) * rows])
            for segment, start, end in zip(
                pack.segments, starts.tolist(), ends.tolist(), strict=True
            ):
                selected = self._table.index_select(0, segment.node_ids[start:end])
                pack.write(segment.first_row + start, selected)


class Pack(NamedTuple):
    """A file with the segments of a window's batches, in rows as those of `like`."""

    file: IO[bytes]
    segments: list[Segment]
    like: Tensor
    row_bytes: int

    def write(self, row: int, values: Float[Tensor, "rows features"]) -> None:
        """Write rows from number `row` on."""
        self.file.seek(row * self.row_bytes)
        buffer = _bytes_of(values)
        while len(buffer):
            buffer = buffer[self.file.write(buffer) :]

    def batches(self) -> Iterator[Batch]:
        """Read the segments one after the other."""
        for segment in self.segments:
            values = self.like.new_empty(len(segment.node_ids), self.like.size(1))
            self.file.seek(segment.first_row * self.row_bytes)
            buffer = _bytes_of(values)
            while len(buffer):
                buffer = buffer[self.file.readinto(buffer) :]  # type: ignore[attr-defined]
            yield replace(segment.batch, features=Rows(values, segment.position))


def _bytes_of(values: Float[Tensor, "rows features"]) -> memoryview:
    return memoryview(values.view(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
