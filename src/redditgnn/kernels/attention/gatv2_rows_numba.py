"""The kernels of GATv2 attention on the CPU, over ranges of rows.

A score needs a sum over channels first, so a row's edges are processed in chunks that fit a cache.
First come their scores, which pass the softmax eight heads at a time. Then their rows are read once
more, from the cache. In the forward pass the softmax is online (Milakov and Gimelshein 2018,
arXiv:1805.02867): a larger logit scales down the sums so far.

In the backward pass, with g the gradient of an edge's logit and slope LeakyReLU's derivative at
each channel:

    grad_query_i = att sum_j g slope,    grad_att = sum_ij g slope (value_j + query_i)
    grad_value_j = sum_i alpha d grad_out_i + att sum_i g slope
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from redditgnn.kernels.rows_numba import (
    AHEAD,
    BLOCK,
    add_row,
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
    largest,
    load,
    maximum,
    splat,
    store,
    totals,
    where_positive,
)

CHUNK = 16  # edges, whose rows must fit the L1 cache beside the sums


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def forward_rows(
    start, stop, rowptr, col, value, query, att, heads, slope, threshold, key, scale, out,
    logsumexp,
):  # fmt: skip
    """Write the attended rows and their logsumexp."""
    if stop == start:
        return
    stride, width = len(logsumexp) // (len(rowptr) - 1), len(att)
    channels = width // heads
    weight, shrink = np.zeros(CHUNK * stride, np.float32), np.empty(stride, np.float32)
    # of a row: its sums, then the softmax's denominators
    whole, part = np.empty(width + stride, np.float32), np.zeros(width + stride, np.float32)
    top, products = np.empty(stride, np.float32), np.zeros(stride * LANES, np.float32)
    for row in range(start, stop):
        whole[:] = 0
        top[:] = -np.inf
        first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
        for begin in range(first, last, CHUNK):
            sources, upcoming = col[begin : min(begin + CHUNK, last)], begin + CHUNK
            for source in col[upcoming : min(upcoming + CHUNK, last)]:
                fetch_row(value, np.int64(source), width)
            for number, source in enumerate(sources):
                _multiply(
                    products, value, np.int64(source) * width, query, row * width, att, heads,
                    channels, slope,
                )  # fmt: skip
                for head in range(0, stride, LANES):
                    store(weight, number * stride + head, totals(products, head * LANES))
            _softmax_chunk(weight, len(sources), stride, top, shrink, whole, part, heads, channels)
            for number, source in enumerate(sources):
                weight_at = number * stride
                drop(weight, weight_at, stride, edge_key_of(row_key, source), threshold)
                add_row(part, weight, weight_at, value, np.int64(source) * width, heads, channels)
            settle(part, whole)
        finish_row(row, whole, top, heads, channels, scale, out, logsumexp)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def drop(weight, weight_at, stride, edge_key, threshold):
    """Zero the weights of the heads of an edge that the hash drops."""
    if threshold > 0:
        for head in range(weight_at, weight_at + stride, LANES):
            keep = keep_mask(edge_key, head - weight_at, threshold)
            store(weight, head, load(weight, head) * keep)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _multiply(products, value, value_at, query, query_at, att, heads, channels, slope):
    """Write att LeakyReLU(value + query) of one edge, summed over channels to eight per head."""
    one, slopes, k = splat(1.0), splat(slope), 0
    for head in range(heads):
        sums = splat(0.0)
        for _ in range(0, channels, LANES):
            x = load(value, value_at + k) + load(query, query_at + k)
            sums = sums + load(att, k) * x * where_positive(x, one, slopes)
            k += LANES
        store(products, head * LANES, sums)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _softmax_chunk(weight, num_edges, stride, top, shrink, whole, part, heads, channels):
    """Turn logits into exp(logit - top). Raise top to the largest and scale the sums."""
    width = heads * channels
    for head in range(0, stride, LANES):
        old = load(top, head)
        new = old
        for edge in range(num_edges):
            new = maximum(new, load(weight, edge * stride + head))
        if largest(new - old) > 0:
            store(shrink, head, exp(old - new))
            store(top, head, new)
            store(whole, width + head, load(whole, width + head) * load(shrink, head))
            for number in range(head, min(head + LANES, heads)):
                factor = splat(shrink[number])
                for k in range(number * channels, (number + 1) * channels, LANES):
                    store(whole, k, load(whole, k) * factor)
        for edge in range(num_edges):
            share = exp(load(weight, edge * stride + head) - new)
            store(weight, edge * stride + head, share)
            store(part, width + head, load(part, width + head) + share)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def backward_rows(
    start, stop, bounds, rowptr, col, value, of_rows, scalars, att, heads, slope, threshold, key,
    scale, grad_query, att_sums,
):  # fmt: skip
    """Write the gradient of query, and a partial gradient of att for each of the `bounds`."""
    width = len(att)
    channels, stride = width // heads, len(scalars) // 2 // (len(rowptr) - 1)
    share, gradient = np.empty(stride, np.float32), np.empty(stride, np.float32)
    products = np.zeros(2 * stride * LANES, np.float32)
    # of a row: sums of g slope, and of g slope (value + query), which are added to `att_sums`
    whole, part = np.empty(2 * width, np.float32), np.zeros(2 * width, np.float32)
    for number in range(start, stop):
        for row in range(bounds[number], bounds[number + 1]):
            whole[:] = 0
            first, last, row_key = rowptr[row], rowptr[row + 1], row_key_of(key, row)
            query_at = row * 2 * width
            for begin in range(first, last, BLOCK):
                for edge in range(begin, min(begin + BLOCK, last)):
                    fetch_row(value, np.int64(col[min(edge + AHEAD, last - 1)]), width)
                    source = np.int64(col[edge])
                    _multiply_both(
                        products, value, source * width, of_rows, query_at, att, heads, channels,
                        slope,
                    )  # fmt: skip
                    _logit_gradients(
                        products, share, gradient, stride, scalars, row * 2 * stride,
                        edge_key_of(row_key, source), threshold, scale,
                    )  # fmt: skip
                    _add_to_query_and_att(
                        part, gradient, value, source * width, of_rows, query_at, heads, channels,
                        slope,
                    )  # fmt: skip
                settle(part, whole)
            for k in range(width):
                grad_query[row * width + k] = att[k] * whole[k]
                att_sums[number * width + k] += whole[width + k]


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _multiply_both(
    products, value, value_at, of_rows, query_at, att, heads, channels, slope
):  # fmt: skip
    """Write the products of `_multiply`, then those of value and grad_out, eight per head."""
    one, slopes, width, k = splat(1.0), splat(slope), heads * channels, 0
    for head in range(heads):
        sums, others = splat(0.0), splat(0.0)
        for _ in range(0, channels, LANES):
            piece = load(value, value_at + k)
            x = piece + load(of_rows, query_at + k)
            sums = sums + load(att, k) * x * where_positive(x, one, slopes)
            others = others + piece * load(of_rows, query_at + width + k)
            k += LANES
        store(products, head * LANES, sums)
        store(products, len(products) // 2 + head * LANES, others)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _logit_gradients(
    products, share, gradient, stride, scalars, scalars_at, edge_key, threshold, scale
):  # fmt: skip
    """Write each head's share (alpha, dropped or scaled), and the gradient of its logit."""
    for head in range(0, stride, LANES):
        logsumexp = load(scalars, scalars_at + head)
        delta = load(scalars, scalars_at + stride + head)
        alpha = exp(totals(products, head * LANES) - logsumexp)
        share_of_edge = alpha
        if threshold > 0:
            share_of_edge = alpha * keep_mask(edge_key, head, threshold) * splat(scale)
        product = totals(products, (stride + head) * LANES)
        store(share, head, share_of_edge)
        store(gradient, head, share_of_edge * product - alpha * delta)


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_to_query_and_att(
    sums, gradient, value, value_at, of_rows, query_at, heads, channels, slope
):  # fmt: skip
    one, slopes, width, k = splat(1.0), splat(slope), heads * channels, 0
    for head in range(heads):
        factor = splat(gradient[head])
        for _ in range(0, channels, LANES):
            x = load(value, value_at + k) + load(of_rows, query_at + k)
            slope_gradient = factor * where_positive(x, one, slopes)
            store(sums, k, load(sums, k) + slope_gradient)
            store(sums, width + k, load(sums, width + k) + slope_gradient * x)
            k += LANES


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def backward_columns(
    start, stop, t_rowptr, t_row, value, of_rows, scalars, att, heads, slope, threshold, key,
    scale, grad_value,
):  # fmt: skip
    """Write the gradient of value, source by source over the transpose."""
    width = len(att)
    channels, stride = width // heads, heads + -heads % LANES
    share, gradient = np.empty(stride, np.float32), np.empty(stride, np.float32)
    products = np.zeros(2 * stride * LANES, np.float32)
    # of a source: sums of alpha d grad_out, and of g slope
    whole, part = np.empty(2 * width, np.float32), np.zeros(2 * width, np.float32)
    for source in range(start, stop):
        whole[:] = 0
        first, last, value_at = t_rowptr[source], t_rowptr[source + 1], source * width
        for begin in range(first, last, BLOCK):
            for edge in range(begin, min(begin + BLOCK, last)):
                fetch_row(of_rows, np.int64(t_row[min(edge + AHEAD, last - 1)]), 2 * width)
                row = np.int64(t_row[edge])
                query_at = row * 2 * width
                _multiply_both(
                    products, value, value_at, of_rows, query_at, att, heads, channels, slope
                )  # fmt: skip
                _logit_gradients(
                    products, share, gradient, stride, scalars, row * 2 * stride,
                    edge_key_of(row_key_of(key, row), source), threshold, scale,
                )  # fmt: skip
                _add_to_value(
                    part, share, gradient, value, value_at, of_rows, query_at, heads, channels,
                    slope,
                )  # fmt: skip
            settle(part, whole)
        for k in range(width):
            grad_value[value_at + k] = whole[k] + att[k] * whole[width + k]


@njit(cache=True, nogil=True, forceinline=True)
@no_type_check
def _add_to_value(
    sums, share, gradient, value, value_at, of_rows, query_at, heads, channels, slope
):  # fmt: skip
    one, slopes, width, k = splat(1.0), splat(slope), heads * channels, 0
    grad_out_at = query_at + width
    for head in range(heads):
        weight, factor = splat(share[head]), splat(gradient[head])
        for _ in range(0, channels, LANES):
            x = load(value, value_at + k) + load(of_rows, query_at + k)
            grad_out = load(of_rows, grad_out_at + k)
            store(sums, k, load(sums, k) + weight * grad_out)
            slope_gradient = factor * where_positive(x, one, slopes)
            store(sums, width + k, load(sums, width + k) + slope_gradient)
            k += LANES
