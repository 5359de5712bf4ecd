"""Rows of a feature table that nobody gathers before somebody reads them.

A layer that only averages rows reads them where they lie, and never asks for the gathered matrix.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


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
            self._gathered = upcast(self._stored(pinned=False))
        return self._gathered

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


def upcast(rows: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
    """Make float32 of half precision: the one place where stored features widen."""
    return rows.float() if rows.dtype in HALF else rows


def gathered(h: Float[Tensor, "rows width"] | Rows) -> Float[Tensor, "rows width"]:
    """Return states as a tensor, whether they are one or still lazy."""
    return h.gathered if isinstance(h, Rows) else h
