"""Sums of the rows that each destination reads, in Triton.

Shapes: D destinations, E edges, S rows of the table, W numbers per row. table [S, W], rowptr
[D + 1], index [E] (a row of the table), weight [E] or None, out [D, W]. One program sums up to
BLOCK_WIDTH numbers of one row of the CSR, in tiles of [BLOCK_EDGES, BLOCK_WIDTH]. Each of the
BLOCK_EDGES lanes has its own float32 sum, and they are added once, after the last edge. So the
order of all additions is fixed: without atomics, the same input gives the same bits.
"""

from __future__ import annotations

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from redditgnn.kernels.attention.parts_triton import bounds

MAX_WIDTH = 128  # of a tile, in which 32 threads read 16 bytes each of a float32 row
MAX_EDGES = 32
LONG_ROW = 64  # mean number of edges per row from which four warps share a row


def row_sums(table: Tensor, rowptr: Tensor, index: Tensor, weight: Tensor | None) -> Tensor:
    """Return, for each row of `rowptr`, the sum over its entries e of weight[e] table[index[e]].

    `table` and `weight` are contiguous. Sums of bfloat16 are bfloat16, those of float16 float32.
    """
    num_rows, width = len(rowptr) - 1, table.size(1)
    dtype = torch.float32 if table.dtype == torch.float16 else table.dtype
    out = table.new_empty(num_rows, width, dtype=dtype)
    if out.numel():
        settings = launch_settings(num_rows, len(index), width)
        grid = (num_rows, triton.cdiv(width, settings["BLOCK_WIDTH"]))
        with torch.cuda.device_of(table):
            row_sums_kernel[grid](table, rowptr, index, weight, out, width, **settings)
    return out


def launch_settings(num_rows: int, num_edges: int, width: int) -> dict[str, Any]:
    """Choose a tile of about 1,000 numbers, 32 per thread, or four times that for long rows."""
    block_width = min(triton.next_power_of_2(width), MAX_WIDTH)
    block_edges = min(MAX_EDGES, 1024 // block_width)
    if num_edges < LONG_ROW * num_rows:
        return {"BLOCK_EDGES": block_edges, "BLOCK_WIDTH": block_width, "num_warps": 1}
    return {"BLOCK_EDGES": 4 * block_edges, "BLOCK_WIDTH": block_width, "num_warps": 4}


@triton.jit
@no_type_check
def row_sums_kernel(
    table_ptr,
    rowptr_ptr,
    index_ptr,
    weight_ptr,
    out_ptr,
    width,
    BLOCK_EDGES: tl.constexpr,
    BLOCK_WIDTH: tl.constexpr,
):
    """One program sums some numbers of the rows that one destination reads."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK_WIDTH + tl.arange(0, BLOCK_WIDTH)
    inside = column < width
    total = tl.zeros([BLOCK_EDGES, BLOCK_WIDTH], tl.float32)
    start, degree = bounds(rowptr_ptr, row)
    for at in range(0, degree, BLOCK_EDGES):
        lane = at + tl.arange(0, BLOCK_EDGES)
        valid = lane < degree
        source = tl.load(index_ptr + start + lane, mask=valid, other=0).to(tl.int64)
        cell = (source * width)[:, None] + column[None, :]
        mask = valid[:, None] & inside[None, :]
        value = tl.load(table_ptr + cell, mask=mask, other=0.0).to(tl.float32)
        if weight_ptr is not None:
            weight = tl.load(weight_ptr + start + lane, mask=valid, other=0.0).to(tl.float32)
            value *= weight[:, None]
        total += value
    tl.store(out_ptr + row * width + column, tl.sum(total, 0), mask=inside)
