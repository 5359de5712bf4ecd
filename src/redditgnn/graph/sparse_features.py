"""Features of which only the non-zeros are stored, such as bags of words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.errors import OutOfMemory
from redditgnn.graph.csr import CSR, entries_of_rows, pointers
from redditgnn.runtime.memory import GIB, free_memory
from redditgnn.runtime.numba_threads import numba_works

ROWS_AT_ONCE = 4096  # to collect non-zeros from: temporaries stay small beside the table


class DenseTableTooLarge(OutOfMemory, MemoryError):
    """Sparse features do not fit into memory as a dense table."""


class SparseFeatures:
    """A `FeatureTable` that stores only the non-zeros. `gather` makes rows dense.

    Attributes:
        csr: The features that each node has. Every gradient uses its transpose.
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

    @classmethod
    def concatenated(cls, parts: Sequence[SparseFeatures]) -> SparseFeatures:
        """Return the rows of all `parts`, which have the same features, one after another."""
        counts = torch.cat([part.csr.rowptr.diff() for part in parts])
        col = torch.cat([part.csr.col for part in parts])
        csr = CSR(pointers(counts), col, parts[0].csr.num_src)
        return cls(csr, torch.cat([part.values for part in parts]))

    def __len__(self) -> int:
        return self.csr.num_dst

    @property
    def shape(self) -> torch.Size:
        return torch.Size([self.csr.num_dst, self.csr.num_src])

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row pointers, columns and values: all that is stored."""
        return self.csr.rowptr, self.csr.col, self.values

    @property
    def density(self) -> float:
        """The share of the entries that are stored."""
        return len(self.values) / max(1, self.csr.num_dst * self.csr.num_src)

    def with_values(self, values: Float[Tensor, " entries"]) -> SparseFeatures:
        """Return other numbers at the same places."""
        return SparseFeatures(self.csr, values)

    def with_columns(self, new_ids: Int64[Tensor, " features"], width: int) -> SparseFeatures:
        """Return the same numbers in the columns `new_ids` of a table of this width."""
        col = new_ids.to(torch.int32)[self.csr.col]
        return SparseFeatures(CSR(self.csr.rowptr, col, width), self.values)

    def to(self, device: torch.device) -> SparseFeatures:
        """Copy the non-zeros to `device`."""
        rowptr, col, values = (t.to(device, non_blocking=True) for t in self.tensors)
        return SparseFeatures(CSR(rowptr, col, self.csr.num_src), values)

    def select(self, node_ids: Int64[Tensor, " rows"]) -> SparseFeatures:
        """Return these rows, in this order."""
        node_ids = node_ids.to(self.device)
        if self._is_compiled:
            from redditgnn.graph.features_numba import select_rows

            tensors = (self.csr.rowptr, self.csr.col, _bits(self.values), node_ids)
            arrays = select_rows(*(tensor.numpy() for tensor in tensors))
            rowptr, col, bits = map(torch.from_numpy, arrays)
            values = bits.view(self.dtype)
        else:
            rowptr, _, entries = entries_of_rows(self.csr.rowptr, node_ids)
            col, values = self.csr.col[entries], self.values[entries]
        return SparseFeatures(CSR(rowptr, col, self.csr.num_src), values)

    def gather(
        self, node_ids: Int64[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "rows features"]:
        """Return these rows as a dense tensor, or all rows for None.

        Raises:
            DenseTableTooLarge: the dense tensor does not fit into what is free.
        """
        if node_ids is None:
            node_ids = torch.arange(len(self), device=self.device)
        self.check_room(len(node_ids))
        node_ids = node_ids.to(self.device)
        out = self.values.new_zeros(len(node_ids), self.csr.num_src)
        if self._is_compiled:
            from redditgnn.graph.features_numba import write_rows

            tensors = (self.csr.rowptr, self.csr.col, _bits(self.values), node_ids, _bits(out))
            write_rows(*(tensor.numpy() for tensor in tensors))
        else:
            _, rows, entries = entries_of_rows(self.csr.rowptr, node_ids)
            out[rows, self.csr.col[entries]] = self.values[entries]
        return out

    @property
    def _is_compiled(self) -> bool:
        return self.device.type == "cpu" and numba_works()

    def check_room(self, num_rows: int, tables: int = 1) -> None:
        """Refuse dense tables that Linux would promise, and then kill the process for.

        Raises:
            DenseTableTooLarge: less is free than so many `tables` of `num_rows` rows take.
        """
        needed = tables * num_rows * self.csr.num_src * self.values.element_size()
        if needed > GIB and needed > (free := free_memory(self.device)):
            raise DenseTableTooLarge(
                f"{num_rows:,} x {self.csr.num_src:,} sparse features take {needed / GIB:,.2f} GiB "
                f"as {tables} dense, {free / GIB:,.2f} GiB are free; model=mlp, gcn, sage, gat, "
                "gatv2, gcn2 and appnp read only the non-zeros"
            )


def dense_bytes(x: Tensor | SparseFeatures) -> int:
    """Return the bytes of a table of features, if it were stored dense."""
    return x.shape.numel() * x.dtype.itemsize


def stored_bytes(x: Tensor | SparseFeatures) -> int:
    """Return the bytes of a table of features as it is stored."""
    return sum(t.nbytes for t in ([x] if isinstance(x, Tensor) else x.tensors))


def selected_rows(
    x: Float[Tensor, "nodes features"] | SparseFeatures, node_ids: Int64[Tensor, " rows"]
) -> Float[Tensor, "rows features"] | SparseFeatures:
    """Return rows of a table of features, in the form that it is stored in."""
    return x[node_ids] if isinstance(x, Tensor) else x.select(node_ids)


def _bits(values: Tensor) -> Tensor:
    """Return numbers of 16 bits as integers, which NumPy and Numba can copy."""
    return values.view(torch.int16) if values.element_size() == 2 else values
