"""GAT attention on the CPU: one pass over the CSR forward, one over it and its transpose backward.

A row's largest logit is LeakyReLU(score_dst + largest score_src), LeakyReLU being monotone, so that
a first look at the scores alone makes the softmax safe. Backward, what an edge contributes to the
gradient of its scores is a product of rows, and the sum over edges is taken before the product:

    u_i = sum_j alpha d slope value_j
    grad_score_dst_i = grad_out_i . u_i - delta_i sum_j alpha slope

with d the dropout factor, slope LeakyReLU's derivative and delta_i = grad_out_i . out_i; likewise
for score_src over the transpose. So no pass needs a sum within an edge. Shapes are those of
`redditgnn.kernels.attention`; channels and heads are padded to multiples of eight.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float32, Int64, Integer
from numba import njit
from torch import Tensor
from torch.nn import functional as F

from redditgnn.compiled import run_on_rows
from redditgnn.kernels.edge_hash import EDGE_STEP, ROW_STEP, threshold_of
from redditgnn.kernels.simd_numba import (
    LANES,
    exp,
    kept,
    load,
    maximum,
    mixed,
    prefetch,
    splat,
    store,
    total,
    where_positive,
)

AHEAD = 8  # edges between asking for a row and reading it
BLOCK = 64  # edges summed before their sum is added to the row's: hubs lose no digits
LINE = 16  # float32 in a cache line


def gat_forward(
    value: Float32[Tensor, "src heads channels"],
    score_src: Float32[Tensor, "src heads"],
    score_dst: Float32[Tensor, "dst heads"],
    rowptr: Int64[Tensor, " dst_plus_1"],
    col: Integer[Tensor, " edges"],
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[Float32[Tensor, "dst heads channels"], Float32[Tensor, "dst heads"]]:
    """Return the attended rows, and the logarithm of the softmax's denominator."""
    heads, channels = value.shape[1:]
    values, scores_src, scores_dst = _wide(value), _padded(score_src), _padded(score_dst)
    out = torch.empty(len(score_dst), heads, values.size(2))
    logsumexp = torch.empty_like(scores_dst)
    run_on_rows(
        _forward_rows,
        rowptr.numpy(),
        col.numpy(),
        *_flat(values, scores_src, scores_dst),
        heads,
        np.float32(negative_slope),
        *_dropout(dropout, key),
        *_flat(out, logsumexp),
    )
    return out[:, :, :channels].contiguous(), logsumexp[:, :heads].contiguous()


def gat_backward(
    grad_out: Float32[Tensor, "dst heads channels"],
    value: Float32[Tensor, "src heads channels"],
    score_src: Float32[Tensor, "src heads"],
    score_dst: Float32[Tensor, "dst heads"],
    out: Float32[Tensor, "dst heads channels"],
    logsumexp: Float32[Tensor, "dst heads"],
    rowptr: Int64[Tensor, " dst_plus_1"],
    col: Integer[Tensor, " edges"],
    t_rowptr: Int64[Tensor, " src_plus_1"],
    t_row: Integer[Tensor, " edges"],
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[
    Float32[Tensor, "src heads channels"],
    Float32[Tensor, "src heads"],
    Float32[Tensor, "dst heads"],
]:
    """Return the gradients of value, score_src and score_dst; `t_*` is the transposed CSR."""
    heads, channels = value.shape[1:]
    delta = (grad_out * out).sum(-1)
    of_rows = torch.stack([_padded(t) for t in (score_dst, logsumexp, delta)], 1)
    values, grads_out, scores_src = _wide(value), _wide(grad_out), _padded(score_src)
    grad_value, grad_src = torch.empty_like(values), torch.empty_like(scores_src)
    grad_dst = torch.empty(len(score_dst), scores_src.size(1))
    settings = heads, np.float32(negative_slope), *_dropout(dropout, key)
    inputs = _flat(values, scores_src, grads_out, of_rows)
    run_on_rows(_backward_rows, rowptr.numpy(), col.numpy(), *inputs, *settings, *_flat(grad_dst))
    run_on_rows(
        _backward_columns,
        t_rowptr.numpy(),
        t_row.numpy(),
        *inputs,
        *settings,
        *_flat(grad_value, grad_src),
    )
    return (
        grad_value[:, :, :channels].contiguous(),
        grad_src[:, :heads].contiguous(),
        grad_dst[:, :heads].contiguous(),
    )


def _wide(rows: Float32[Tensor, "rows heads _"]) -> Float32[Tensor, "rows heads _"]:
    """Pad the channels with zeros to a multiple of the lanes."""
    missing = -rows.size(2) % LANES
    return (F.pad(rows, (0, missing)) if missing else rows).contiguous()


def _padded(scores: Float32[Tensor, "rows heads"]) -> Float32[Tensor, "rows _"]:
    """Pad the heads with zeros to a multiple of the lanes."""
    missing = -scores.size(1) % LANES
    return (F.pad(scores, (0, missing)) if missing else scores).contiguous()


def _flat(*tensors: Tensor) -> list[np.ndarray]:
    return [tensor.detach().view(-1).numpy() for tensor in tensors]


def _dropout(dropout: float, key: Tensor | None) -> tuple[np.uint32, np.uint32, np.float32]:
    number = 0 if key is None else int(key)
    return np.uint32(threshold_of(dropout)), np.uint32(number), np.float32(1 / (1 - dropout))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def row_key_of(key, row):
    """Hash `key` and the number of a destination."""
    return mixed(np.uint64(key) + np.uint64(row + 1) * np.uint64(ROW_STEP))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def edge_key_of(row_key, source):
    """Hash the key of a destination and the number of a source."""
    return mixed(np.uint64(row_key) + np.uint64(source + 1) * np.uint64(EDGE_STEP))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def fetch_row(table, row, width):
    """Ask for the cache lines of one row."""
    for k in range(row * width, row * width + width, LINE):
        prefetch(table, k)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def settle(part, whole):
    """Add the sums of a block of edges to those of the row, and start them anew."""
    for k in range(0, len(part), LANES):
        store(whole, k, load(whole, k) + load(part, k))
        store(part, k, splat(0.0))


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def add_row(sums, weight, weight_at, table, table_at, heads, channels):
    """Add a row of `table` to `sums`, each head's channels times its weight."""
    k = 0
    for head in range(heads):
        factor = splat(weight[weight_at + head])
        for _ in range(0, channels, LANES):
            store(sums, k, load(sums, k) + factor * load(table, table_at + k))
            k += LANES


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def dot(left, left_at, right, right_at, length):
    """Return the inner product of two pieces whose length is a multiple of the lanes."""
    products = splat(0.0)
    for k in range(0, length, LANES):
        products = products + load(left, left_at + k) * load(right, right_at + k)
    return total(products)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _forward_rows(
    start, stop, rowptr, col, value, score_src, score_dst, heads, slope, threshold, key, scale,
    out, logsumexp,
):  # fmt: skip
    if stop == start:
        return
    padded = len(logsumexp) // (len(rowptr) - 1)
    width = len(out) // (len(rowptr) - 1)
    channels = width // heads
    weight, largest = np.empty(padded, np.float32), np.empty(padded, np.float32)
    # of a row: its sums, then the softmax's denominators
    whole, part = np.empty(width + padded, np.float32), np.zeros(width + padded, np.float32)
    flat, one = splat(slope), splat(1.0)
    for row in range(start, stop):
        first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
        _largest_logits(col[first:last], score_src, score_dst, row, padded, slope, largest)
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(value, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                source = np.int64(col[edge])
                for head in range(0, padded, LANES):
                    score = load(score_src, source * padded + head)
                    score = score + load(score_dst, row * padded + head)
                    logit = score * where_positive(score, one, flat)
                    share = exp(logit - load(largest, head))
                    store(part, width + head, load(part, width + head) + share)
                    if threshold > 0:
                        share = share * kept(edge_key_of(row_key, source), head, threshold)
                    store(weight, head, share)
                add_row(part, weight, 0, value, source * width, heads, channels)
            settle(part, whole)
        finish_row(row, whole, largest, heads, channels, scale, out, logsumexp)


@njit(cache=True, nogil=True, forceinline=True, error_model="numpy")
@no_type_check
def finish_row(row, whole, largest, heads, channels, scale, out, logsumexp):
    """Divide the sums of a row by the softmax's denominators; a row without edges gets zeros."""
    width, padded = heads * channels, len(largest)
    for head in range(heads):
        denominator = whole[width + head]
        factor = scale / denominator if denominator != 0 else np.float32(0)
        for k in range(head * channels, (head + 1) * channels):
            out[row * width + k] = whole[k] * factor
        logsumexp[row * padded + head] = largest[head] + np.log(denominator)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _largest_logits(sources, score_src, score_dst, row, padded, slope, largest):
    """Write each head's largest logit over the `sources` of `row`; -inf if there are none."""
    for head in range(0, padded, LANES):
        top = splat(-np.inf)
        for source in sources:
            top = maximum(top, load(score_src, np.int64(source) * padded + head))
        score = top + load(score_dst, row * padded + head)
        store(largest, head, score * where_positive(score, splat(1.0), splat(slope)))


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _backward_rows(
    start, stop, rowptr, col, value, score_src, grad_out, of_rows, heads, slope, threshold, key,
    scale, grad_dst,
):  # fmt: skip
    if stop == start:
        return
    num_rows = len(rowptr) - 1
    padded, width = len(grad_dst) // num_rows, len(grad_out) // num_rows
    channels = width // heads
    weight = np.empty(padded, np.float32)
    # of a row: u, then the sums of alpha times slope
    whole, part = np.empty(width + padded, np.float32), np.zeros(width + padded, np.float32)
    flat, one, scaled = splat(slope), splat(1.0), splat(scale)
    for row in range(start, stop):
        first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
        at_row = row * 3 * padded
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(value, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                source = np.int64(col[edge])
                for head in range(0, padded, LANES):
                    score = load(score_src, source * padded + head) + load(of_rows, at_row + head)
                    slope_here = where_positive(score, one, flat)
                    alpha = exp(score * slope_here - load(of_rows, at_row + padded + head))
                    share = alpha * slope_here
                    store(part, width + head, load(part, width + head) + share)
                    if threshold > 0:
                        share = share * kept(edge_key_of(row_key, source), head, threshold) * scaled
                    store(weight, head, share)
                add_row(part, weight, 0, value, source * width, heads, channels)
            settle(part, whole)
        for head in range(heads):
            k = head * channels
            product = dot(whole, k, grad_out, row * width + k, channels)
            delta = of_rows[at_row + 2 * padded + head]
            grad_dst[row * padded + head] = product - delta * whole[width + head]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _backward_columns(
    start, stop, t_rowptr, t_row, value, score_src, grad_out, of_rows, heads, slope, threshold,
    key, scale, grad_value, grad_src,
):  # fmt: skip
    if stop == start:
        return
    num_rows = len(t_rowptr) - 1
    padded, width = len(grad_src) // num_rows, len(grad_value) // num_rows
    channels, size = width // heads, 2 * width + padded
    weight, sloped = np.empty(padded, np.float32), np.empty(padded, np.float32)
    # of a source: sums of alpha d grad_out, of that times slope, and of alpha slope delta
    whole, part = np.empty(size, np.float32), np.zeros(size, np.float32)
    flat, one, scaled = splat(slope), splat(1.0), splat(scale)
    for source in range(start, stop):
        first, last = t_rowptr[source], t_rowptr[source + 1]
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(grad_out, np.int64(t_row[min(edge + AHEAD, last - 1)]), width)
                row = np.int64(t_row[edge])
                at_row = row * 3 * padded
                for head in range(0, padded, LANES):
                    score = load(score_src, source * padded + head) + load(of_rows, at_row + head)
                    slope_here = where_positive(score, one, flat)
                    alpha = exp(score * slope_here - load(of_rows, at_row + padded + head))
                    delta = alpha * slope_here * load(of_rows, at_row + 2 * padded + head)
                    store(part, 2 * width + head, load(part, 2 * width + head) + delta)
                    if threshold > 0:
                        edge_key = edge_key_of(row_key_of(key, row), source)
                        alpha = alpha * kept(edge_key, head, threshold) * scaled
                    store(weight, head, alpha)
                    store(sloped, head, alpha * slope_here)
                _add_row_twice(part, weight, sloped, grad_out, row * width, heads, channels)
            settle(part, whole)
        grad_value[source * width : (source + 1) * width] = whole[:width]
        for head in range(heads):
            k = head * channels
            product = dot(whole, width + k, value, source * width + k, channels)
            grad_src[source * padded + head] = product - whole[2 * width + head]


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_row_twice(sums, weight, other, table, table_at, heads, channels):
    """Add a row of `table` with two weights a head, to the first and to the second sums."""
    width, k = heads * channels, 0
    for head in range(heads):
        factor, other_factor = splat(weight[head]), splat(other[head])
        for _ in range(0, channels, LANES):
            piece = load(table, table_at + k)
            store(sums, k, load(sums, k) + factor * piece)
            store(sums, width + k, load(sums, width + k) + other_factor * piece)
            k += LANES
