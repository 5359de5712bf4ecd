"""The kernels of GAT attention on the CPU, over ranges of rows.

LeakyReLU is monotone, so a row's largest logit is LeakyReLU(score_dst + largest score_src). A first
pass over only the scores therefore makes the softmax safe. In the backward pass an edge contributes
a product of rows to the gradient of its scores. The sum over edges is taken before the product:

    u_i = sum_j alpha d slope value_j
    grad_score_dst_i = grad_out_i . u_i - delta_i sum_j alpha slope

with d the dropout factor, slope LeakyReLU's derivative and delta_i = grad_out_i . out_i. The same
holds for score_src over the transpose. So no pass needs a sum within an edge.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.kernels.rows_numba import (
    AHEAD,
    BLOCK,
    add_row,
    dot,
    edge_key_of,
    fetch_row,
    finish_row,
    row_key_of,
    settle,
)
from redditgnn.kernels.simd_numba import (
    LANES,
    exp,
    keep_mask,
    load,
    maximum,
    splat,
    store,
    where_positive,
)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def forward_rows(
    start, stop, rowptr, col, value, score_src, score_dst, heads, slope, threshold, key, scale,
    out, logsumexp,
):  # fmt: skip
    """Write the attended rows and their logsumexp."""
    if stop == start:
        return
    stride = len(logsumexp) // (len(rowptr) - 1)
    width = len(out) // (len(rowptr) - 1)
    channels = width // heads
    weight, largest = np.empty(stride, np.float32), np.empty(stride, np.float32)
    # of a row: its sums, then the softmax's denominators
    whole, part = np.empty(width + stride, np.float32), np.zeros(width + stride, np.float32)
    slopes, one = splat(slope), splat(1.0)
    for row in range(start, stop):
        first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
        _largest_logits(col[first:last], score_src, score_dst, row, stride, slope, largest)
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(value, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                source = np.int64(col[edge])
                for head in range(0, stride, LANES):
                    score = load(score_src, source * stride + head)
                    score = score + load(score_dst, row * stride + head)
                    logit = score * where_positive(score, one, slopes)
                    share = exp(logit - load(largest, head))
                    store(part, width + head, load(part, width + head) + share)
                    if threshold > 0:
                        share = share * keep_mask(edge_key_of(row_key, source), head, threshold)
                    store(weight, head, share)
                add_row(part, weight, 0, value, source * width, heads, channels)
            settle(part, whole)
        finish_row(row, whole, largest, heads, channels, scale, out, logsumexp)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _largest_logits(sources, score_src, score_dst, row, stride, slope, largest):
    """Write each head's largest logit over the `sources` of `row`, or -inf without any."""
    for head in range(0, stride, LANES):
        top = splat(-np.inf)
        for source in sources:
            top = maximum(top, load(score_src, np.int64(source) * stride + head))
        score = top + load(score_dst, row * stride + head)
        store(largest, head, score * where_positive(score, splat(1.0), splat(slope)))


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def backward_rows(
    start, stop, rowptr, col, value, score_src, grad_out, of_rows, heads, slope, threshold, key,
    scale, grad_dst,
):  # fmt: skip
    """Write the gradient of score_dst. `of_rows` holds a row's score_dst, logsumexp and delta."""
    if stop == start:
        return
    num_rows = len(rowptr) - 1
    stride, width = len(grad_dst) // num_rows, len(grad_out) // num_rows
    channels = width // heads
    weight = np.empty(stride, np.float32)
    # of a row: u, then the sums of alpha times slope
    whole, part = np.empty(width + stride, np.float32), np.zeros(width + stride, np.float32)
    slopes, one, scales = splat(slope), splat(1.0), splat(scale)
    for row in range(start, stop):
        first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
        at_row = row * 3 * stride
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(value, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                source = np.int64(col[edge])
                for head in range(0, stride, LANES):
                    score = load(score_src, source * stride + head) + load(of_rows, at_row + head)
                    derivative = where_positive(score, one, slopes)
                    alpha = exp(score * derivative - load(of_rows, at_row + stride + head))
                    share = alpha * derivative
                    store(part, width + head, load(part, width + head) + share)
                    if threshold > 0:
                        edge_key = edge_key_of(row_key, source)
                        share = share * keep_mask(edge_key, head, threshold) * scales
                    store(weight, head, share)
                add_row(part, weight, 0, value, source * width, heads, channels)
            settle(part, whole)
        for head in range(heads):
            k = head * channels
            product = dot(whole, k, grad_out, row * width + k, channels)
            delta = of_rows[at_row + 2 * stride + head]
            grad_dst[row * stride + head] = product - delta * whole[width + head]


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def backward_columns(
    start, stop, t_rowptr, t_row, value, score_src, grad_out, of_rows, heads, slope, threshold,
    key, scale, grad_value, grad_src,
):  # fmt: skip
    """Write the gradients of value and score_src, source by source over the transpose."""
    if stop == start:
        return
    num_rows = len(t_rowptr) - 1
    stride, width = len(grad_src) // num_rows, len(grad_value) // num_rows
    channels, size = width // heads, 2 * width + stride
    weight, slope_weight = np.empty(stride, np.float32), np.empty(stride, np.float32)
    # of a source: sums of alpha d grad_out, of that times slope, and of alpha slope delta
    whole, part = np.empty(size, np.float32), np.zeros(size, np.float32)
    slopes, one, scales = splat(slope), splat(1.0), splat(scale)
    for source in range(start, stop):
        first, last = t_rowptr[source], t_rowptr[source + 1]
        whole[:] = 0
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(grad_out, np.int64(t_row[min(edge + AHEAD, last - 1)]), width)
                row = np.int64(t_row[edge])
                at_row = row * 3 * stride
                for head in range(0, stride, LANES):
                    score = load(score_src, source * stride + head) + load(of_rows, at_row + head)
                    derivative = where_positive(score, one, slopes)
                    alpha = exp(score * derivative - load(of_rows, at_row + stride + head))
                    delta = alpha * derivative * load(of_rows, at_row + 2 * stride + head)
                    store(part, 2 * width + head, load(part, 2 * width + head) + delta)
                    if threshold > 0:
                        edge_key = edge_key_of(row_key_of(key, row), source)
                        alpha = alpha * keep_mask(edge_key, head, threshold) * scales
                    store(weight, head, alpha)
                    store(slope_weight, head, alpha * derivative)
                _add_row_twice(part, weight, slope_weight, grad_out, row * width, heads, channels)
            settle(part, whole)
        grad_value[source * width : (source + 1) * width] = whole[:width]
        for head in range(heads):
            k = head * channels
            product = dot(whole, width + k, value, source * width + k, channels)
            grad_src[source * stride + head] = product - whole[2 * width + head]


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_row_twice(sums, weight, other, table, table_at, heads, channels):
    """Add a row of `table` with two weights per head, to the first and to the second sums."""
    width, k = heads * channels, 0
    for head in range(heads):
        factor, other_factor = splat(weight[head]), splat(other[head])
        for _ in range(0, channels, LANES):
            piece = load(table, table_at + k)
            store(sums, k, load(sums, k) + factor * piece)
            store(sums, width + k, load(sums, width + k) + other_factor * piece)
            k += LANES
