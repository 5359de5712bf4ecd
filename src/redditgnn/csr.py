"""A sparse matrix of ones as CSR, and its transpose, which backward passes read.

Row i holds `col[rowptr[i]:rowptr[i + 1]]`: the sources whose messages destination i receives. The
transpose is computed when it is first asked for, and kept.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Int32, Int64, Integer
from torch import Tensor

from redditgnn.compiled import numba_works


class Transpose(NamedTuple):
    """Row j lists the destinations that read source j, in ascending order."""

    rowptr: Int64[Tensor, " src_plus_1"]
    row: Int32[Tensor, " edges"]


class CSR:
    """Which sources each destination reads.

    Attributes:
        num_src: Number of columns; every entry of `col` is below it.
    """

    def __init__(
        self, rowptr: Int64[Tensor, " dst_plus_1"], col: Integer[Tensor, " edges"], num_src: int
    ) -> None:
        self.rowptr, self.col, self.num_src = rowptr, col, num_src
        self.num_dst = len(rowptr) - 1

    @cached_property
    def row(self) -> Int64[Tensor, " edges"]:
        """The destination of each edge."""
        return row_of_edge(self.rowptr, len(self.col))

    @cached_property
    def transpose(self) -> Transpose:
        if self.col.device.type == "cpu" and numba_works():
            from redditgnn.transpose_numba import transposed

            arrays = transposed(self.rowptr.numpy(), self.col.numpy(), self.num_src)
            return Transpose(*map(torch.from_numpy, arrays))
        # No bincount: it would wait for the device, to see whether there are larger numbers.
        counts = self.rowptr.new_zeros(self.num_src)
        counts.index_add_(0, self.col, counts.new_ones(()).expand(len(self.col)))
        return Transpose(pointers(counts), self.row.to(torch.int32)[self.edge_of_transpose])

    @cached_property
    def edge_of_transpose(self) -> Int64[Tensor, " edges"]:
        """The position in `col` of each entry of the transpose: edge values follow it."""
        if self.col.device.type == "cpu" and numba_works():
            from redditgnn.transpose_numba import transposed_edges

            edges = transposed_edges(self.transpose.rowptr.numpy(), self.col.numpy())
            return torch.from_numpy(edges)
        return self.col.argsort(stable=True)


def pointers(counts: Integer[Tensor, " rows"]) -> Int64[Tensor, " rows_plus_1"]:
    """Return the CSR row pointers of rows with these many entries."""
    rowptr = torch.zeros(len(counts) + 1, dtype=torch.int64, device=counts.device)
    torch.cumsum(counts, 0, out=rowptr[1:])
    return rowptr


def row_of_edge(
    rowptr: Int64[Tensor, " rows_plus_1"], num_edges: int | None = None
) -> Int64[Tensor, " edges"]:
    """Return the row that each entry of a CSR belongs to.

    Without `num_edges`, the last of `rowptr`, a device has to be waited for.
    """
    rows = torch.arange(len(rowptr) - 1, device=rowptr.device)
    return rows.repeat_interleave(rowptr.diff(), output_size=num_edges)


def gather_rows(
    rowptr: Int64[Tensor, " nodes_plus_1"],
    col: Int32[Tensor, " edges"],
    node_ids: Int64[Tensor, " rows"],
) -> tuple[Int64[Tensor, " picked"], Int32[Tensor, " picked"]]:
    """Concatenate the CSR rows `node_ids`: for each entry its position in `node_ids`, and `col`."""
    picked = pointers(rowptr[node_ids + 1] - rowptr[node_ids])
    rows = row_of_edge(picked)
    shift = (rowptr[node_ids] - picked[:-1])[rows]
    return rows, col[torch.arange(len(rows), device=col.device) + shift]
