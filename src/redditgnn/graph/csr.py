"""A sparse matrix of ones as CSR, and its transpose for backward passes.

Row i holds `col[rowptr[i]:rowptr[i + 1]]`: the sources whose messages destination i receives. The
transpose is computed at the first access and cached.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int32, Int64, Integer
from torch import Tensor

from redditgnn.runtime.numba_threads import numba_works


class Transpose(NamedTuple):
    """The transposed CSR: row j lists the destinations that read source j, in ascending order."""

    rowptr: Int64[Tensor, " src_plus_1"]
    row: Int32[Tensor, " edges"]


class CSR:
    """The sources that each destination reads.

    Attributes:
        num_src: Number of columns. Every entry of `col` is below it.
    """

    def __init__(
        self, rowptr: Int64[Tensor, " dst_plus_1"], col: Integer[Tensor, " edges"], num_src: int
    ) -> None:
        self.rowptr, self.col, self.num_src = rowptr, col, num_src
        self.num_dst = len(rowptr) - 1

    @classmethod
    def from_edge_index(
        cls, edge_index: Integer[Tensor, "2 edges"], num_src: int, num_dst: int
    ) -> CSR:
        """Sort (source, destination) pairs by destination, stably."""
        source, destination = edge_index
        counts = torch.bincount(destination, minlength=num_dst)
        return cls(pointers(counts), source[destination.argsort(stable=True)], num_src)

    @cached_property
    def row(self) -> Int64[Tensor, " edges"]:
        """The destination of each edge."""
        return row_of_edge(self.rowptr, len(self.col))

    @cached_property
    def transpose(self) -> Transpose:
        return _transpose(self)

    @cached_property
    def edge_of_transpose(self) -> Int64[Tensor, " edges"]:
        """The position in `col` of each entry of the transpose, to permute edge values."""
        return _edge_of_transpose(self)


class HaloCSR(CSR):
    """Rows whose sources are destinations, near, or halo: an edge from there counts repeatedly.

    Attributes:
        halo_scale: How many times it counts.
    """

    def __init__(
        self,
        rowptr: Int64[Tensor, " dst_plus_1"],
        col: Integer[Tensor, " edges"],
        num_src: int,
        halo_scale: float,
    ) -> None:
        super().__init__(rowptr, col, num_src)
        self.halo_scale = halo_scale

    @property
    def edge_scale(self) -> Float[Tensor, " edges"]:
        """How many times each edge counts."""
        return scales_of_halo(self.col, self.num_dst, self.halo_scale)

    @cached_property
    def near(self) -> CSR:
        """The edges from destinations."""
        return self._edges_where(self.col < self.num_dst)

    @cached_property
    def far(self) -> CSR:
        """The edges from the halo."""
        return self._edges_where(self.col >= self.num_dst)

    def _edges_where(self, mask: Bool[Tensor, " edges"]) -> CSR:
        before = pointers(mask)
        return CSR(before[self.rowptr], self.col[mask], self.num_src)


def scales_of_halo(
    col: Integer[Tensor, " edges"], num_dst: int, halo_scale: float
) -> Float[Tensor, " edges"]:
    """Return `halo_scale` for each edge whose source is no destination, and 1 for others."""
    return torch.where(col < num_dst, 1.0, halo_scale)


@torch.compiler.disable  # Numba does not compile while torch.compile traces
def _transpose(csr: CSR) -> Transpose:
    if csr.col.device.type == "cpu" and numba_works():
        from redditgnn.graph.transpose_numba import transpose_csr

        arrays = transpose_csr(csr.rowptr.numpy(), csr.col.numpy(), csr.num_src)
        return Transpose(*map(torch.from_numpy, arrays))
    # bincount would wait for the device to find the largest number.
    counts = csr.rowptr.new_zeros(csr.num_src)
    counts.index_add_(0, csr.col, counts.new_ones(()).expand(len(csr.col)))
    return Transpose(pointers(counts), csr.row.to(torch.int32)[csr.edge_of_transpose])


@torch.compiler.disable
def with_self_loops(
    csr: CSR,
) -> tuple[Int64[Tensor, " dst_plus_1"], Integer[Tensor, " edges_and_dst"]]:
    """Return row pointers and entries of the CSR with a self-loop at the end of each row."""
    if csr.col.device.type == "cpu" and numba_works():
        from redditgnn.graph.self_loops_numba import append_self_loops

        rowptr, col = append_self_loops(csr.rowptr.numpy(), csr.col.numpy())
        return torch.from_numpy(rowptr), torch.from_numpy(col)
    rows = torch.arange(csr.num_dst + 1, device=csr.col.device)
    rowptr = csr.rowptr + rows
    col = csr.col.new_empty(len(csr.col) + csr.num_dst)
    col[torch.arange(len(csr.col), device=csr.col.device) + csr.row] = csr.col
    col[rowptr[1:] - 1] = rows[:-1].to(col.dtype)
    return rowptr, col


@torch.compiler.disable
def _edge_of_transpose(csr: CSR) -> Int64[Tensor, " edges"]:
    if csr.col.device.type == "cpu" and numba_works():
        from redditgnn.graph.transpose_numba import find_transpose_edges

        edges = find_transpose_edges(csr.transpose.rowptr.numpy(), csr.col.numpy())
        return torch.from_numpy(edges)
    return csr.col.argsort(stable=True)


def pointers(
    counts: Integer[Tensor, " rows"] | Bool[Tensor, " rows"],
) -> Int64[Tensor, " rows_plus_1"]:
    """Return the CSR row pointers of rows with these numbers of entries."""
    rowptr = torch.zeros(len(counts) + 1, dtype=torch.int64, device=counts.device)
    torch.cumsum(counts, 0, out=rowptr[1:])
    return rowptr


def row_of_edge(
    rowptr: Int64[Tensor, " rows_plus_1"], num_edges: int | None = None
) -> Int64[Tensor, " edges"]:
    """Return the row that each entry of a CSR belongs to.

    Without `num_edges`, the last entry of `rowptr`, this waits for the device.
    """
    rows = torch.arange(len(rowptr) - 1, device=rowptr.device)
    return rows.repeat_interleave(rowptr.diff(), output_size=num_edges)


def row_sums(
    rowptr: Int64[Tensor, " rows_plus_1"], values: Float[Tensor, " entries"]
) -> Float[Tensor, " rows"]:
    """Add up the entries of each row. An empty row gives zero."""
    return torch.segment_reduce(values, "sum", offsets=rowptr, unsafe=True)


def gather_rows(
    rowptr: Int64[Tensor, " nodes_plus_1"],
    col: Int32[Tensor, " edges"],
    node_ids: Int64[Tensor, " rows"],
) -> tuple[Int64[Tensor, " entries"], Int32[Tensor, " entries"]]:
    """Concatenate the CSR rows `node_ids`: each entry's position in `node_ids`, and its `col`."""
    _, rows, entries = entries_of_rows(rowptr, node_ids)
    return rows, col[entries]


def entries_of_rows(
    rowptr: Int64[Tensor, " nodes_plus_1"], node_ids: Int64[Tensor, " rows"]
) -> tuple[Int64[Tensor, " rows_plus_1"], Int64[Tensor, " entries"], Int64[Tensor, " entries"]]:
    """Find the entries of the CSR rows `node_ids`, row by row.

    Returns:
        The row pointers of those rows alone. For each of their entries, its position in `node_ids`
        and its index among all entries.
    """
    selected_rowptr = pointers(rowptr[node_ids + 1] - rowptr[node_ids])
    rows = row_of_edge(selected_rowptr)
    shift = (rowptr[node_ids] - selected_rowptr[:-1])[rows]
    return selected_rowptr, rows, torch.arange(len(rows), device=rows.device) + shift
