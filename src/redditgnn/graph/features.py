"""Rows of a feature table, gathered only when they are read.

A layer that only averages rows reads them in place, without the gathered matrix. A layer that
multiplies them by its weights reads only the non-zeros where those are few (`sparse`).
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.runtime.precision import at_least_float32

MAX_DENSITY = 1 / 8
"""The share of non-zeros up to which reading only them is faster than dense products."""

MAX_DENSITY_OF_SELECTION = 1 / 16
"""The same for some of the rows, which every batch has to select and transpose first.

Up to here a sparse matrix of a dataset is also stored by its non-zeros.
"""

SAMPLED_ROWS = 1024  # to estimate the density before the whole table is read
StatesT = TypeVar("StatesT", bound="Tensor | Rows")
_nonzeros: Any = WeakIdKeyDictionary()  # dense table -> its SparseFeatures, None if too dense


@runtime_checkable
class FeatureTable(Protocol):
    """Features that are not stored in one tensor.

    `shape` is (nodes, features). `device` is where `gather` puts the rows.
    """

    @property
    def shape(self) -> torch.Size: ...

    @property
    def device(self) -> torch.device: ...

    def gather(self, node_ids: Int64[Tensor, " rows"] | None) -> Float[Tensor, "rows features"]:
        """Return these rows, in this order, or all rows for None."""
        ...


class Rows:
    """The rows `node_ids` of a feature table, or all of them in order for None.

    Attributes:
        table: [nodes, features] in float32, or in half precision to save memory.
    """

    def __init__(
        self,
        table: Float[Tensor, "nodes features"] | FeatureTable,
        node_ids: Int64[Tensor, " rows"] | None = None,
    ) -> None:
        self.table, self.node_ids = table, node_ids
        self._dense: Tensor | None = None
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
    def dense(self) -> Float[Tensor, "rows features"]:
        """The rows as one float32 tensor, cached. The table itself where it already is that."""
        if self._dense is None:  # the lock of a `cached_property` would break a torch.compile trace
            self._dense = at_least_float32(self._read_table(pinned=False))
        return self._dense

    @property
    @torch.compiler.disable  # the number of entries depends on the data
    def sparse(self) -> SparseFeatures | None:
        """The rows' non-zeros, cached. None if they are too many or were not collected."""
        if self._sparse is None and (table := _sparse_table(self.table)) is not None:
            if self.node_ids is None:
                self._sparse = _in_float32(table)
            elif table is self.table or table.density <= MAX_DENSITY_OF_SELECTION:
                self._sparse = _in_float32(table.select(self.node_ids))
        return self._sparse

    @property
    def is_stored_sparse(self) -> bool:
        """Whether the table stores only non-zeros, so that dense rows have to be made."""
        return isinstance(self.table, SparseFeatures)

    def __getitem__(self, rows: slice) -> Rows:
        """Return some of the rows, still lazy."""
        if rows.indices(len(self)) == (0, len(self), 1):
            return self
        node_ids = self.node_ids
        if node_ids is None:
            node_ids = torch.arange(len(self), device=self.device)
        return Rows(self.table, node_ids[rows])

    def to(self, device: torch.device) -> Rows:
        """Gather the rows and copy them to `device`. Does nothing if the table is there."""
        if self.device == device:
            return self
        return Rows(self._read_table(device.type == "cuda").to(device, non_blocking=True))

    def _read_table(self, pinned: bool) -> Float[Tensor, "rows features"]:
        """Gather in the precision of the table, into page-locked memory if `pinned`."""
        if not isinstance(self.table, Tensor):
            return self.table.gather(self.node_ids)
        if self.node_ids is None:
            return self.table
        node_ids = self.node_ids.to(self.device)
        out = torch.empty(self.shape, dtype=self.table.dtype, device=self.device, pin_memory=pinned)
        return torch.index_select(self.table, 0, node_ids, out=out)


def first_rows(h: StatesT, number: int) -> StatesT:
    """Return the first `number` rows: in a block, those of the destinations.

    `h` itself is returned if it has no more rows, so that its gradient needs no copy.
    """
    return h if len(h) == number else cast(StatesT, h[:number])


def to_dense(h: Float[Tensor, "rows width"] | Rows) -> Float[Tensor, "rows width"]:
    """Return states as a tensor, gathering lazy rows."""
    return h.dense if isinstance(h, Rows) else h


def to_dense_unless_sparse(h: Tensor | Rows) -> Tensor | Rows:
    """Gather lazy rows, except those with few non-zeros."""
    return h if isinstance(h, Rows) and h.sparse is not None else to_dense(h)


def _sparse_table(table: Tensor | FeatureTable) -> SparseFeatures | None:
    """Return the non-zeros of a float32 CPU table if they are few. They are collected once."""
    if not isinstance(table, Tensor):
        return table if isinstance(table, SparseFeatures) else None
    if table.device.type != "cpu" or table.dtype != torch.float32:
        return None
    if table not in _nonzeros:
        _nonzeros[table] = _collect_if_sparse(table)
    return _nonzeros[table]


def _in_float32(rows: SparseFeatures) -> SparseFeatures:
    values = at_least_float32(rows.values)
    return rows if values is rows.values else rows.with_values(values)


def _collect_if_sparse(table: Float[Tensor, "nodes features"]) -> SparseFeatures | None:
    """Sample some rows first: a dense table, which may be on disk, is not read as a whole."""
    sample = table[:: max(1, len(table) // SAMPLED_ROWS)]
    if sample.count_nonzero() > MAX_DENSITY * sample.numel():
        return None
    return SparseFeatures.from_dense(table)
