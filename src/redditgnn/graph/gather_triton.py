"""Rows from two tables at once, in Triton: a cache on the device, and page-locked host memory.

Shapes: N nodes, H cached rows, R requested rows, W features. host [N, W], cache [H, W], slot [R]
(a row of the cache, or -1 to read from host), node_ids [R], out [R, W]. Triton passes the address
that a page-locked CPU tensor has on the device. torch's own operators refuse such a tensor. One
program copies BLOCK features of ROWS rows. Neighbouring threads read neighbouring addresses, as
the bus requires.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, BLOCK = 4, 256  # copied by a program: 1 KiB of float32 of each row


def gather_split(host: Tensor, cache: Tensor, slot: Tensor, node_ids: Tensor) -> Tensor:
    """Return `cache[slot]` where `slot >= 0`, else `host[node_ids]`, on the device of `cache`."""
    num_rows, width = len(node_ids), host.size(1)
    out = cache.new_empty(num_rows, width)
    if out.numel():
        grid = (triton.cdiv(num_rows, ROWS), triton.cdiv(width, BLOCK))
        with torch.cuda.device_of(cache):
            gather_kernel[grid](
                host, cache, slot, node_ids, out, num_rows, width, ROWS=ROWS, BLOCK=BLOCK
            )
    return out


@triton.jit
@no_type_check
def gather_kernel(
    host_ptr,
    cache_ptr,
    slot_ptr,
    node_ids_ptr,
    out_ptr,
    num_rows,
    width,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One program copies BLOCK features of ROWS rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    column = (tl.program_id(1) * BLOCK + tl.arange(0, BLOCK))[None, :]
    is_row = row < num_rows
    slot = tl.load(slot_ptr + row, mask=is_row, other=-1).to(tl.int64)[:, None]
    node = tl.load(node_ids_ptr + row, mask=is_row, other=0)[:, None]
    inside = is_row[:, None] & (column < width)
    # Each row is read from one table only: loads from the other are masked.
    hot = tl.load(cache_ptr + slot * width + column, mask=inside & (slot >= 0), other=0.0)
    cold = tl.load(host_ptr + node * width + column, mask=inside & (slot < 0), other=0.0)
    out = tl.where(slot >= 0, hot, cold)
    tl.store(out_ptr + row[:, None] * width + column, out, mask=inside)
