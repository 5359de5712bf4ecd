"""Attention dropout without a mask: a hash of edge and head decides whether they are dropped.

The forward and both backward passes compute the same bits, on every backend:

    row_key  = mix(key + (dst + 1) * ROW_STEP)
    edge_key = mix(row_key + (src + 1) * EDGE_STEP)
    bits     = mix(edge_key + (head + 1) * HEAD_STEP)

modulo 2^32. A head of an edge is kept if bits >= p * 2^32. Parallel edges have the same bits. `mix`
is a xor-shift-multiply finaliser found by C. Wellons (hash-prospector, 2018, "lowbias32").
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64, Integer
from torch import Tensor

ROW_STEP, EDGE_STEP, HEAD_STEP = 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35
MIX_STEPS = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1))  # shift and xor, then multiply
MASK = 2**32 - 1


def threshold_of(dropout: float) -> int:
    """Return the least hash that is kept if heads are dropped with probability `dropout`."""
    return min(round(dropout * 2**32), MASK)


def edge_keep_mask(
    row: Integer[Tensor, " edges"],
    col: Integer[Tensor, " edges"],
    heads: int,
    dropout: float,
    key: Int64[Tensor, ""],
) -> Bool[Tensor, "edges heads"]:
    """Return a mask of the heads of edges that are kept."""
    row_key = _mix(key + (row.long() + 1) * ROW_STEP)
    edge_key = _mix(row_key + (col.long() + 1) * EDGE_STEP)
    head = torch.arange(1, heads + 1, device=row.device)
    return _mix(edge_key[:, None] + head * HEAD_STEP) >= threshold_of(dropout)


def _mix(bits: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    bits = bits & MASK
    for shift, factor in MIX_STEPS:
        bits = ((bits ^ (bits >> shift)) * factor) & MASK  # the low 32 bits are exact
    return bits
