"""Rows of a feature table that nobody gathers before somebody reads them.

A layer that only averages rows reads them where they lie, and never asks for the gathered matrix.
One that multiplies them by its weights reads the non-zeros alone, where those are few (`sparse`).
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from redditgnn.graph.csr import CSR, entries_of_rows, pointers
from redditgnn.runtime.numba_threads import numba_works
from redditgnn.runtime.precision import at_least_float32

FEW = 1 / 8
"""The share of non-zeros up to which reading them alone is faster than dense products."""

FEW_OF_PICKED = 1 / 16
"""The same where they have to be picked and transposed first: of some rows, in every batch."""

SAMPLED_ROWS = 1024  # that tell whether a table is worth reading as a whole
ROWS_AT_ONCE = 4096  # whose non-zeros are collected: temporaries stay small beside the table
StatesT = TypeVar("StatesT", bound="Tensor | Rows")
_nonzeros: Any = WeakIdKeyDictionary()  # dense table -> its SparseFeatures, None for too many


@runtime_checkable
class FeatureTable(Protocol):
    """Features that are not kept in one tensor.

    `shape` is (nodes, features); `device` is where `gather` leaves the rows.
    """

    @property
    def shape(self) -> torch.Size: ...

    @property
    def device(self) -> torch.device: ...

    def gather(self, node_ids: Int64[Tensor, " rows"] | None) -> Float[Tensor, "rows features"]:
        """Return these rows, in the order asked for; None: all."""
        ...


class SparseFeatures:
    """A `FeatureTable` of which only the non-zeros are stored; dense rows are made when asked for.

    Attributes:
        csr: Which features each node has; its transpose serves every gradient.
        values: [entries], in the order of `csr.col`.
    """

    def __init__(self, csr: CSR, values: Float[Tensor, " entries"]) -> None:
        self.csr, self.values = csr, values

    @classmethod
    def from_dense(cls, table: Float[Tensor, "nodes features"]) -> SparseFeatures:
        """Collect the non-zeros of `table`."""
        counts, cols, values = [], [], []
        for rows in table.split(ROWS_AT_ONCE):
            row, col = rows.nonzero(as_tuple=True)
            counts.append(torch.bincount(row, minlength=len(rows)))
            cols.append(col.to(torch.int32))
            values.append(rows[row, col])
        rowptr = pointers(torch.cat(counts))
        return cls(CSR(rowptr, torch.cat(cols), table.size(1)), torch.cat(values))

    @property
    def shape(self) -> torch.Size:
        return torch.Size([self.csr.num_dst, self.csr.num_src])

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def density(self) -> float:
        """The share of the entries that are stored."""
        return len(self.values) / max(1, self.csr.num_dst * self.csr.num_src)

    def picked(self, node_ids: Int64[Tensor, " rows"]) -> SparseFeatures:
        """Return these rows, in the order asked for."""
        node_ids = node_ids.to(self.device)
        if self.device.type == "cpu" and numba_works():
            from redditgnn.graph.features_numba import picked_rows

            stored = (self.csr.rowptr, self.csr.col, self.values, node_ids)
            arrays = picked_rows(*(tensor.numpy() for tensor in stored))
            rowptr, col, values = map(torch.from_numpy, arrays)
        else:
            rowptr, _, entries = entries_of_rows(self.csr.rowptr, node_ids)
            col, values = self.csr.col[entries], self.values[entries]
        return SparseFeatures(CSR(rowptr, col, self.csr.num_src), values)

    def gather(
        self, node_ids: Int64[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "rows features"]:
        """Return these rows as a dense tensor; None: all."""
        rows = self if node_ids is None else self.picked(node_ids)
        out = self.values.new_zeros(rows.shape)
        out[rows.csr.row, rows.csr.col] = rows.values
        return out


class Rows:
    """The rows `node_ids` of a feature table; None: all of them, in order.

    Attributes:
        table: [nodes, features], stored as float32, or in half precision to save memory.
    """

    def __init__(
        self,
        table: Float[Tensor, "nodes features"] | FeatureTable,
        node_ids: Int64[Tensor, " rows"] | None = None,
    ) -> None:
        self.table, self.node_ids = table, node_ids
        self._gathered: Tensor | None = None
        self._sparse: SparseFeatures | None = None

    def __len__(self) -> int:
        return self.table.shape[0] if self.node_ids is None else len(self.node_ids)

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self), self.table.shape[1]])

    @property
    def device(self) -> torch.device:
        return self.table.device

    @property
    def gathered(self) -> Float[Tensor, "rows features"]:
        """The rows as one tensor, half precision made float32; kept. The table itself if it is."""
        if self._gathered is None:  # the lock of a `cached_property` ends what torch.compile traces
            self._gathered = at_least_float32(self._stored(pinned=False))
        return self._gathered

    @property
    @torch.compiler.disable  # how many entries there are depends on the data
    def sparse(self) -> SparseFeatures | None:
        """The rows by their non-zeros, kept; None where those are not `FEW`, or not looked for."""
        if self._sparse is None and (table := _sparse_table(self.table)) is not None:
            if self.node_ids is None:
                self._sparse = table
            elif table is self.table or table.density <= FEW_OF_PICKED:
                self._sparse = table.picked(self.node_ids)
        return self._sparse

    def __getitem__(self, rows: slice) -> Rows:
        """Return some of the rows, as lazy as before."""
        if rows.indices(len(self)) == (0, len(self), 1):
            return self
        node_ids = self.node_ids
        if node_ids is None:
            node_ids = torch.arange(len(self), device=self.device)
        return Rows(self.table, node_ids[rows])

    def to(self, device: torch.device) -> Rows:
        """Gather the rows and copy them to `device`; nothing to do if the table is there."""
        if self.device == device:
            return self
        return Rows(self._stored(device.type == "cuda").to(device, non_blocking=True))

    def _stored(self, pinned: bool) -> Float[Tensor, "rows features"]:
        """Gather in the precision of the table, into page-locked memory if it is to leave it."""
        if not isinstance(self.table, Tensor):
            return self.table.gather(self.node_ids)
        if self.node_ids is None:
            return self.table
        node_ids = self.node_ids.to(self.device)
        out = torch.empty(self.shape, dtype=self.table.dtype, device=self.device, pin_memory=pinned)
        return torch.index_select(self.table, 0, node_ids, out=out)


def first_rows(h: StatesT, number: int) -> StatesT:
    """Return the first `number` rows; `h` itself if it has no more, whose gradient needs no copy.

    Destinations are the first rows of a block's sources.
    """
    return h if len(h) == number else cast(StatesT, h[:number])


def gathered(h: Float[Tensor, "rows width"] | Rows) -> Float[Tensor, "rows width"]:
    """Return states as a tensor, whether they are one or still lazy."""
    return h.gathered if isinstance(h, Rows) else h


def gathered_unless_sparse(h: Tensor | Rows) -> Tensor | Rows:
    """Gather lazy rows, bar those whose non-zeros are few."""
    return h if isinstance(h, Rows) and h.sparse is not None else gathered(h)


def _sparse_table(table: Tensor | FeatureTable) -> SparseFeatures | None:
    """Return the non-zeros of a float32 table on the CPU if they are few; collected once."""
    if not isinstance(table, Tensor):
        return table if isinstance(table, SparseFeatures) else None
    if table.device.type != "cpu" or table.dtype != torch.float32:
        return None
    if table not in _nonzeros:
        _nonzeros[table] = _collected_if_few(table)
    return _nonzeros[table]


def _collected_if_few(table: Float[Tensor, "nodes features"]) -> SparseFeatures | None:
    """Look at some rows first: a dense table, which may be on disk, is not read as a whole."""
    sample = table[:: max(1, len(table) // SAMPLED_ROWS)]
    if sample.count_nonzero() > FEW * sample.numel():
        return None
    return SparseFeatures.from_dense(table)
