"""GAT attention (Velickovic et al. 2018, arXiv:1710.10903) over a CSR, in Triton.

Forward: one pass over the rows. Backward: one pass over the rows, for the gradient of the
destinations' scores, and one over the transpose, for that of the sources' scores and values. Both
recompute each attention coefficient from the row's logsumexp, as FlashAttention does (Dao et al.
2022, arXiv:2205.14135), and hash each dropout decision again. So no tensor has size E x H.

Shapes: E edges, S sources, D destinations, H heads, C channels per head. value [S, H, C], score_src
[S, H], score_dst [D, H], rowptr [D + 1], col [E] (a source), t_rowptr [S + 1], t_row [E] (a
destination), out [D, H, C], logsumexp [D, H]. `parts_triton` describes the work of one program.
"""

from __future__ import annotations

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from redditgnn.kernels.attention.parts_triton import (
    LOWEST,
    accumulator_dtype,
    bounds,
    coefficient,
    dropout_scale,
    edge_tile,
    gather_heads,
    gather_rows,
    grid_of,
    launch_settings,
    leaky,
    load_heads,
    load_row,
    longest_first,
    row_cells,
    store_softmax,
    update_softmax,
)


def gat_forward(
    value: Tensor,
    score_src: Tensor,
    score_dst: Tensor,
    rowptr: Tensor,
    col: Tensor,
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Average each row's sources, weighted by softmax(LeakyReLU(score_src + score_dst)).

    Returns out, in `value`'s dtype, and logsumexp, in float32. `key` holds a number below 2^32.
    """
    value, score_src, score_dst = (t.contiguous() for t in (value, score_src, score_dst))
    num_rows, (heads, channels) = len(rowptr) - 1, value.shape[1:]
    out = value.new_empty(num_rows, heads, channels)
    logsumexp = value.new_empty(num_rows, heads, dtype=accumulator_dtype(value))
    settings = launch_settings(value, negative_slope, dropout)
    if out.numel():
        with torch.cuda.device_of(value):
            gat_forward_kernel[grid_of(num_rows, settings)](
                value,
                score_src,
                score_dst,
                rowptr.contiguous(),
                col.contiguous(),
                longest_first(rowptr),
                out,
                logsumexp,
                key,
                **settings,
            )
    return out, logsumexp


def gat_backward(
    grad_out: Tensor,
    value: Tensor,
    score_src: Tensor,
    score_dst: Tensor,
    out: Tensor,
    logsumexp: Tensor,
    rowptr: Tensor,
    col: Tensor,
    t_rowptr: Tensor,
    t_row: Tensor,
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of value, score_src and score_dst, given that of `out`.

    Extra memory: one number per row and head, and the order of the rows.
    """
    grad_out, value, score_src, score_dst, out, logsumexp = (
        t.contiguous() for t in (grad_out, value, score_src, score_dst, out, logsumexp)
    )
    grad_value, grad_src, grad_dst = map(torch.empty_like, (value, score_src, score_dst))
    delta = torch.empty_like(logsumexp)
    settings = launch_settings(value, negative_slope, dropout)
    scores = (value, score_src, score_dst, logsumexp, delta)
    with torch.cuda.device_of(value):
        if out.numel():
            csr = (rowptr.contiguous(), col.contiguous(), longest_first(rowptr))
            gat_backward_rows_kernel[grid_of(len(out), settings)](
                grad_out, out, *scores, *csr, grad_dst, key, **settings
            )
        if value.numel():
            t_csr = (t_rowptr.contiguous(), t_row.contiguous(), longest_first(t_rowptr))
            gat_backward_columns_kernel[grid_of(len(value), settings)](
                grad_out, *scores, *t_csr, grad_value, grad_src, key, **settings
            )
    return grad_value, grad_src, grad_dst


@triton.jit
@no_type_check
def gat_forward_kernel(
    value_ptr,
    score_src_ptr,
    score_dst_ptr,
    rowptr_ptr,
    col_ptr,
    order_ptr,
    out_ptr,
    logsumexp_ptr,
    key_ptr,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    SLOPE: tl.constexpr,
    THRESHOLD: tl.constexpr,
    SCALE: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_EDGES: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """One program averages the values of one row's sources, for some heads."""
    WIDTH: tl.constexpr = HEADS * CHANNELS
    row = tl.load(order_ptr + tl.program_id(0))
    head, cell, inside = row_cells(HEADS, CHANNELS, BLOCK_HEADS, BLOCK_CHANNELS)
    score_dst = load_heads(score_dst_ptr, row, head, HEADS, ACC)
    largest = tl.full([BLOCK_EDGES, BLOCK_HEADS], LOWEST, ACC)
    total = tl.zeros([BLOCK_EDGES, BLOCK_HEADS], ACC)
    acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
    start, degree = bounds(rowptr_ptr, row)
    for at in range(0, degree, BLOCK_EDGES):
        src, valid = edge_tile(col_ptr, start, degree, at, BLOCK_EDGES)
        value = gather_rows(value_ptr, src, valid, cell, inside, WIDTH, ACC)
        score = gather_heads(score_src_ptr, src, valid, head, HEADS, ACC) + score_dst[None, :]
        logit = tl.where(valid[:, None], leaky(score, score, SLOPE), float("-inf"))
        weight, rescale, largest, total = update_softmax(logit, largest, total)
        if THRESHOLD > 0:
            weight *= dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
        acc = acc * rescale[:, :, None] + weight[:, :, None] * value
    store_softmax(
        out_ptr, logsumexp_ptr, row, largest, total, acc, head, cell, inside, HEADS, WIDTH
    )


@triton.jit
@no_type_check
def gat_backward_rows_kernel(
    grad_out_ptr,
    out_ptr,
    value_ptr,
    score_src_ptr,
    score_dst_ptr,
    logsumexp_ptr,
    delta_ptr,
    rowptr_ptr,
    col_ptr,
    order_ptr,
    grad_dst_ptr,
    key_ptr,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    SLOPE: tl.constexpr,
    THRESHOLD: tl.constexpr,
    SCALE: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_EDGES: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """One program sums the gradient of one destination's scores, and writes its `delta`.

    `delta` is grad_out . out, the mean of the gradients of a row's coefficients.
    """
    WIDTH: tl.constexpr = HEADS * CHANNELS
    row = tl.load(order_ptr + tl.program_id(0))
    head, cell, inside = row_cells(HEADS, CHANNELS, BLOCK_HEADS, BLOCK_CHANNELS)
    grad_out = load_row(grad_out_ptr, row, cell, inside, WIDTH, ACC)
    delta = tl.sum(grad_out * load_row(out_ptr, row, cell, inside, WIDTH, ACC), 1)
    tl.store(delta_ptr + row * HEADS + head, delta, mask=head < HEADS)
    score_dst = load_heads(score_dst_ptr, row, head, HEADS, ACC)
    logsumexp = load_heads(logsumexp_ptr, row, head, HEADS, ACC)
    acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS], ACC)
    start, degree = bounds(rowptr_ptr, row)
    for at in range(0, degree, BLOCK_EDGES):
        src, valid = edge_tile(col_ptr, start, degree, at, BLOCK_EDGES)
        value = gather_rows(value_ptr, src, valid, cell, inside, WIDTH, ACC)
        score = gather_heads(score_src_ptr, src, valid, head, HEADS, ACC) + score_dst[None, :]
        alpha = coefficient(leaky(score, score, SLOPE), logsumexp[None, :], valid)
        grad_alpha = tl.sum(value * grad_out[None, :, :], 2)
        if THRESHOLD > 0:
            grad_alpha *= dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
        acc += leaky(score, alpha * (grad_alpha - delta[None, :]), SLOPE)
    tl.store(grad_dst_ptr + row * HEADS + head, tl.sum(acc, 0), mask=head < HEADS)


@triton.jit
@no_type_check
def gat_backward_columns_kernel(
    grad_out_ptr,
    value_ptr,
    score_src_ptr,
    score_dst_ptr,
    logsumexp_ptr,
    delta_ptr,
    rowptr_ptr,
    row_ptr,
    order_ptr,
    grad_value_ptr,
    grad_src_ptr,
    key_ptr,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    SLOPE: tl.constexpr,
    THRESHOLD: tl.constexpr,
    SCALE: tl.constexpr,
    ACC: tl.constexpr,
    BLOCK_EDGES: tl.constexpr,
    BLOCK_HEADS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """One program sums the gradients of one source's values and scores over its destinations."""
    WIDTH: tl.constexpr = HEADS * CHANNELS
    src = tl.load(order_ptr + tl.program_id(0))
    head, cell, inside = row_cells(HEADS, CHANNELS, BLOCK_HEADS, BLOCK_CHANNELS)
    value = load_row(value_ptr, src, cell, inside, WIDTH, ACC)
    score_src = load_heads(score_src_ptr, src, head, HEADS, ACC)
    acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
    acc_score = tl.zeros([BLOCK_EDGES, BLOCK_HEADS], ACC)
    start, degree = bounds(rowptr_ptr, src)
    for at in range(0, degree, BLOCK_EDGES):
        row, valid = edge_tile(row_ptr, start, degree, at, BLOCK_EDGES)
        grad_out = gather_rows(grad_out_ptr, row, valid, cell, inside, WIDTH, ACC)
        score = gather_heads(score_dst_ptr, row, valid, head, HEADS, ACC) + score_src[None, :]
        logsumexp = gather_heads(logsumexp_ptr, row, valid, head, HEADS, ACC)
        delta = gather_heads(delta_ptr, row, valid, head, HEADS, ACC)
        alpha = coefficient(leaky(score, score, SLOPE), logsumexp, valid)
        grad_alpha = tl.sum(grad_out * value[None, :, :], 2)
        weight = alpha
        if THRESHOLD > 0:
            keep = dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
            grad_alpha, weight = grad_alpha * keep, alpha * keep
        acc += weight[:, :, None] * grad_out
        acc_score += leaky(score, alpha * (grad_alpha - delta), SLOPE)
    tl.store(grad_value_ptr + src * WIDTH + cell, tl.sum(acc, 0), mask=inside)
    tl.store(grad_src_ptr + src * HEADS + head, tl.sum(acc_score, 0), mask=head < HEADS)
