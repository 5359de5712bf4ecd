"""The shared parts of the Triton kernels of GAT and GATv2: tiles, online softmax, dropout.

One program owns one row of a CSR and up to BLOCK_HEADS heads of it. It walks along the row's edges
in tiles of [BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS]. Each of the BLOCK_EDGES lanes has its own
softmax and sums, which are merged once, after the last edge. So in the loop only the sum over a
head's channels crosses lanes. The order of all sums is fixed: without atomics, the same input gives
the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple, no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from redditgnn.kernels.edge_hash import threshold_of

LOWEST = tl.constexpr(-3.4028234663852886e38)  # of float32, because -inf - -inf would be NaN


class Tile(NamedTuple):
    """The numbers of edges, heads and channels (powers of two) that a program handles at once."""

    edges: int
    heads: int
    channels: int
    num_warps: int


def tile_of(heads: int, channels: int) -> Tile:
    """Choose a tile of one warp, with 16 numbers per thread and array: four 128-bit loads each.

    Several heads share a program until a row has 256 numbers, so 8 heads x 8 channels are read as
    one row of 64. There are at most 32 edges, because short rows would leave lanes idle. Several
    warps of one program would wait for each other at the sums over a head's channels.
    """
    block_channels = triton.next_power_of_2(channels)
    block_heads = min(triton.next_power_of_2(heads), max(1, 256 // block_channels))
    width = block_heads * block_channels
    block_edges = min(32, max(2, 512 // width))
    num_warps = max(1, block_edges * width // 512)
    return Tile(block_edges, block_heads, block_channels, num_warps)


def launch_settings(value: Tensor, negative_slope: float, dropout: float) -> dict[str, Any]:
    """Return a kernel's compile-time constants. Each new combination is compiled."""
    heads, channels = value.shape[1:]
    tile = tile_of(heads, channels)
    return {
        "HEADS": heads,
        "CHANNELS": channels,
        "SLOPE": float(negative_slope),
        "THRESHOLD": threshold_of(dropout),
        "SCALE": 1.0 / (1.0 - dropout),
        "ACC": tl.float64 if value.dtype == torch.float64 else tl.float32,
        "BLOCK_EDGES": tile.edges,
        "BLOCK_HEADS": tile.heads,
        "BLOCK_CHANNELS": tile.channels,
        "num_warps": tile.num_warps,
        "enable_fp_fusion": True,  # explicit, because the default depends on Triton's version
    }


def grid_of(num_programs: int, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the launch grid: `num_programs` for each group of heads."""
    return num_programs, triton.cdiv(settings["HEADS"], settings["BLOCK_HEADS"])


def longest_first(rowptr: Tensor) -> Tensor:
    """Return the rows by descending degree, because all would wait for a hub that starts last."""
    return rowptr.diff().argsort(descending=True, stable=True)


def accumulator_dtype(value: Tensor) -> torch.dtype:
    """Return the dtype of sums and logarithms: float32, or float64 in the interpreter."""
    return torch.float64 if value.dtype == torch.float64 else torch.float32


@triton.jit
@no_type_check
def mix(x):
    """Hash uint32 to uint32, one to one ("lowbias32", https://nullprogram.com/blog/2018/07/31/)."""
    x ^= x >> 16
    x *= 0x7FEB352D
    x ^= x >> 15
    x *= 0x846CA68B
    x ^= x >> 16
    return x


@triton.jit
@no_type_check
def dropout_scale(
    dst, src, head, key_ptr, THRESHOLD: tl.constexpr, SCALE: tl.constexpr, ACC: tl.constexpr
):
    """Return SCALE where an edge's head survives dropout, else 0: [edges, heads].

    `head` is [heads]. One of `dst` and `src` is [edges] and the other a scalar.
    """
    row_key = mix(tl.load(key_ptr).to(tl.uint32) + (dst.to(tl.uint32) + 1) * 0x9E3779B9)
    edge_key = mix(row_key + (src.to(tl.uint32) + 1) * 0x85EBCA6B)
    bits = mix(edge_key[:, None] + ((head.to(tl.uint32) + 1) * 0xC2B2AE35)[None, :])
    return (bits >= THRESHOLD).to(ACC) * SCALE


@triton.jit
@no_type_check
def leaky(sign, x, SLOPE: tl.constexpr):
    """Scale `x` by SLOPE where `sign` is not positive: LeakyReLU if both are the same."""
    return tl.where(sign > 0, x, x * SLOPE)


@triton.jit
@no_type_check
def row_cells(
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """Return this program's heads, its offsets in a row [heads, channels], and their mask."""
    head = tl.program_id(1) * BLOCK_HEADS + tl.arange(0, BLOCK_HEADS)
    channel = tl.arange(0, BLOCK_CHANNELS)
    inside = (head < HEADS)[:, None] & (channel < CHANNELS)[None, :]
    return head, head[:, None] * CHANNELS + channel[None, :], inside


@triton.jit
@no_type_check
def bounds(rowptr_ptr, row):
    """Return a row's first edge and its degree, an int32: a row has fewer than 2^31 edges."""
    start = tl.load(rowptr_ptr + row)
    return start, (tl.load(rowptr_ptr + row + 1) - start).to(tl.int32)


@triton.jit
@no_type_check
def edge_tile(col_ptr, start, degree, at, BLOCK_EDGES: tl.constexpr):
    """Return the other ends of a row's edges `at`, `at` + 1, ..., and their mask."""
    lane = at + tl.arange(0, BLOCK_EDGES)
    valid = lane < degree
    return tl.load(col_ptr + start + lane, mask=valid, other=0).to(tl.int64), valid


@triton.jit
@no_type_check
def load_row(ptr, row, cell, inside, WIDTH: tl.constexpr, ACC: tl.constexpr):
    """Return [heads, channels] of one row of a tensor with WIDTH numbers per row."""
    return tl.load(ptr + row * WIDTH + cell, mask=inside, other=0.0).to(ACC)


@triton.jit
@no_type_check
def load_heads(ptr, row, head, HEADS: tl.constexpr, ACC: tl.constexpr):
    """Return [heads]: one number per head of one row."""
    return tl.load(ptr + row * HEADS + head, mask=head < HEADS, other=0.0).to(ACC)


@triton.jit
@no_type_check
def gather_rows(ptr, rows, valid, cell, inside, WIDTH: tl.constexpr, ACC: tl.constexpr):
    """Return [edges, heads, channels]: the rows `rows`, zeros where not `valid`."""
    offset = (rows * WIDTH)[:, None, None] + cell[None, :, :]
    mask = valid[:, None, None] & inside[None, :, :]
    return tl.load(ptr + offset, mask=mask, other=0.0).to(ACC)


@triton.jit
@no_type_check
def gather_heads(ptr, rows, valid, head, HEADS: tl.constexpr, ACC: tl.constexpr):
    """Return [edges, heads]: one number per head of the rows `rows`, zeros where not `valid`."""
    mask = valid[:, None] & (head < HEADS)[None, :]
    return tl.load(ptr + (rows * HEADS)[:, None] + head[None, :], mask=mask, other=0.0).to(ACC)


@triton.jit
@no_type_check
def update_softmax(logit, largest, total):
    """Add one logit to each lane's softmax, with one exponential.

    Return its weight, the factor of earlier sums, and the new `largest` and `total`. Weight or
    factor is 1. A logit of -inf changes nothing.
    """
    decay = tl.exp(-tl.abs(logit - largest))
    grows = logit > largest
    weight = tl.where(grows, 1.0, decay)
    rescale = tl.where(grows, decay, 1.0)
    return weight, rescale, tl.where(grows, logit, largest), total * rescale + weight


@triton.jit
@no_type_check
def coefficient(logit, logsumexp, valid):
    """Return the softmax [edges, heads] of a row, given its logsumexp. 0 where not `valid`."""
    return tl.exp(tl.where(valid[:, None], logit - logsumexp, float("-inf")))


@triton.jit
@no_type_check
def store_softmax(
    out_ptr,
    logsumexp_ptr,
    row,
    largest,
    total,
    acc,
    head,
    cell,
    inside,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Merge the lanes' softmaxes, and write a row's average and logsumexp.

    A row without edges gets zeros, and -inf.
    """
    row_largest = tl.max(largest, 0)
    share = tl.exp(largest - row_largest[None, :])
    row_total = tl.sum(total * share, 0)
    row_acc = tl.sum(acc * share[:, :, None], 0)
    empty = row_total == 0.0
    row_total = tl.where(empty, 1.0, row_total)
    out = row_acc / row_total[:, None]
    logsumexp = tl.where(empty, float("-inf"), row_largest + tl.log(row_total))
    tl.store(out_ptr + row * WIDTH + cell, out, mask=inside)
    tl.store(logsumexp_ptr + row * HEADS + head, logsumexp, mask=head < HEADS)
