"""GATv2 attention (Brody et al. 2022, arXiv:2105.14491) over a CSR, in Triton.

Forward: one pass over the rows. Backward: one pass over the rows, for the gradients of query and
att, and one over the transpose, for that of value. Both recompute each attention coefficient from
the row's logsumexp, and hash each dropout decision again. So no tensor has size E x H.

Shapes: E edges, S sources, D destinations, H heads, C channels per head. value [S, H, C], query
[D, H, C], att [H, C], rowptr [D + 1], col [E] (a source), t_rowptr [S + 1], t_row [E] (a
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

MAX_PROGRAMS = 4096  # several waves on any device, each program with a partial gradient of att
MAX_PARTIAL_SUMS = 2**22  # numbers in all partial sums, 16 MiB


def gatv2_forward(
    value: Tensor,
    query: Tensor,
    att: Tensor,
    rowptr: Tensor,
    col: Tensor,
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Average each row's sources, weighted by softmax(att . LeakyReLU(value + query)).

    Returns out, in `value`'s dtype, and logsumexp, in float32. `key` holds a number below 2^32.
    """
    value, query, att = (t.contiguous() for t in (value, query, att))
    out = torch.empty_like(query, dtype=value.dtype)
    logsumexp = value.new_empty(query.shape[:2], dtype=accumulator_dtype(value))
    settings = launch_settings(value, negative_slope, dropout)
    if out.numel():
        with torch.cuda.device_of(value):
            gatv2_forward_kernel[grid_of(len(out), settings)](
                value,
                query,
                att,
                rowptr.contiguous(),
                col.contiguous(),
                longest_first(rowptr),
                out,
                logsumexp,
                key,
                **settings,
            )
    return out, logsumexp


def gatv2_backward(
    grad_out: Tensor,
    value: Tensor,
    query: Tensor,
    att: Tensor,
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
    """Return the gradients of value, query and att, given that of `out`.

    Extra memory: one number per row and head, the order of the rows, and up to 16 MiB.
    """
    grad_out, value, query, att, out, logsumexp = (
        t.contiguous() for t in (grad_out, value, query, att, out, logsumexp)
    )
    grad_value, grad_query = torch.empty_like(value), torch.empty_like(query)
    delta = torch.empty_like(logsumexp)
    settings = launch_settings(value, negative_slope, dropout)
    num_programs = min(len(out), MAX_PROGRAMS, max(1, MAX_PARTIAL_SUMS // att.numel()))
    partial = delta.new_empty(num_programs, *att.shape)
    logits = (value, query, att, logsumexp, delta)
    with torch.cuda.device_of(value):
        if out.numel():
            csr = (rowptr.contiguous(), col.contiguous(), longest_first(rowptr), len(out))
            gatv2_backward_rows_kernel[grid_of(num_programs, settings)](
                grad_out, out, *logits, *csr, grad_query, partial, key, **settings
            )
        if value.numel():
            t_csr = (t_rowptr.contiguous(), t_row.contiguous(), longest_first(t_rowptr))
            gatv2_backward_columns_kernel[grid_of(len(value), settings)](
                grad_out, *logits, *t_csr, grad_value, key, **settings
            )
    return grad_value, grad_query, partial.sum(0).to(att.dtype)


@triton.jit
@no_type_check
def gatv2_forward_kernel(
    value_ptr,
    query_ptr,
    att_ptr,
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
    query = load_row(query_ptr, row, cell, inside, WIDTH, ACC)
    att = load_row(att_ptr, 0, cell, inside, WIDTH, ACC)
    largest = tl.full([BLOCK_EDGES, BLOCK_HEADS], LOWEST, ACC)
    total = tl.zeros([BLOCK_EDGES, BLOCK_HEADS], ACC)
    acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
    start, degree = bounds(rowptr_ptr, row)
    for at in range(0, degree, BLOCK_EDGES):
        src, valid = edge_tile(col_ptr, start, degree, at, BLOCK_EDGES)
        value = gather_rows(value_ptr, src, valid, cell, inside, WIDTH, ACC)
        score = value + query[None, :, :]
        logit = tl.sum(leaky(score, score, SLOPE) * att[None, :, :], 2)
        logit = tl.where(valid[:, None], logit, float("-inf"))
        weight, rescale, largest, total = update_softmax(logit, largest, total)
        if THRESHOLD > 0:
            weight *= dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
        acc = acc * rescale[:, :, None] + weight[:, :, None] * value
    store_softmax(
        out_ptr, logsumexp_ptr, row, largest, total, acc, head, cell, inside, HEADS, WIDTH
    )


@triton.jit(do_not_specialize=["num_rows"])
@no_type_check
def gatv2_backward_rows_kernel(
    grad_out_ptr,
    out_ptr,
    value_ptr,
    query_ptr,
    att_ptr,
    logsumexp_ptr,
    delta_ptr,
    rowptr_ptr,
    col_ptr,
    order_ptr,
    num_rows,
    grad_query_ptr,
    partial_ptr,
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
    """One program sums the gradients of some rows' queries, and of att over all of these rows.

    The rows are dealt longest first, in alternating order, so that programs get equal shares.
    """
    WIDTH: tl.constexpr = HEADS * CHANNELS
    head, cell, inside = row_cells(HEADS, CHANNELS, BLOCK_HEADS, BLOCK_CHANNELS)
    att = load_row(att_ptr, 0, cell, inside, WIDTH, ACC)
    acc_att = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
    for first in range(0, num_rows, tl.num_programs(0)):
        position = position_in_round(first)
        if position < num_rows:
            row = tl.load(order_ptr + position)
            query = load_row(query_ptr, row, cell, inside, WIDTH, ACC)
            grad_out = load_row(grad_out_ptr, row, cell, inside, WIDTH, ACC)
            delta = tl.sum(grad_out * load_row(out_ptr, row, cell, inside, WIDTH, ACC), 1)
            tl.store(delta_ptr + row * HEADS + head, delta, mask=head < HEADS)
            logsumexp = load_heads(logsumexp_ptr, row, head, HEADS, ACC)
            acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
            start, degree = bounds(rowptr_ptr, row)
            for at in range(0, degree, BLOCK_EDGES):
                src, valid = edge_tile(col_ptr, start, degree, at, BLOCK_EDGES)
                value = gather_rows(value_ptr, src, valid, cell, inside, WIDTH, ACC)
                score = value + query[None, :, :]
                logit = tl.sum(leaky(score, score, SLOPE) * att[None, :, :], 2)
                alpha = coefficient(logit, logsumexp[None, :], valid)
                grad_alpha = tl.sum(value * grad_out[None, :, :], 2)
                if THRESHOLD > 0:
                    grad_alpha *= dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
                grad_logit = (alpha * (grad_alpha - delta[None, :]))[:, :, None]
                grad_score = leaky(score, grad_logit, SLOPE)
                acc += grad_score
                acc_att += grad_score * score
            tl.store(grad_query_ptr + row * WIDTH + cell, att * tl.sum(acc, 0), mask=inside)
    partial = partial_ptr + tl.program_id(0).to(tl.int64) * WIDTH
    tl.store(partial + cell, tl.sum(acc_att, 0), mask=inside)


@triton.jit
@no_type_check
def position_in_round(first):
    """Return this program's position in the round from `first`. Every other round is reversed."""
    num_programs, program = tl.num_programs(0), tl.program_id(0)
    back = (first // num_programs) % 2 == 1
    return first + tl.where(back, num_programs - 1 - program, program)


@triton.jit
@no_type_check
def gatv2_backward_columns_kernel(
    grad_out_ptr,
    value_ptr,
    query_ptr,
    att_ptr,
    logsumexp_ptr,
    delta_ptr,
    rowptr_ptr,
    row_ptr,
    order_ptr,
    grad_value_ptr,
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
    """One program sums the gradient of one source's value over its destinations."""
    WIDTH: tl.constexpr = HEADS * CHANNELS
    src = tl.load(order_ptr + tl.program_id(0))
    head, cell, inside = row_cells(HEADS, CHANNELS, BLOCK_HEADS, BLOCK_CHANNELS)
    value = load_row(value_ptr, src, cell, inside, WIDTH, ACC)
    att = load_row(att_ptr, 0, cell, inside, WIDTH, ACC)
    acc = tl.zeros([BLOCK_EDGES, BLOCK_HEADS, BLOCK_CHANNELS], ACC)
    start, degree = bounds(rowptr_ptr, src)
    for at in range(0, degree, BLOCK_EDGES):
        row, valid = edge_tile(row_ptr, start, degree, at, BLOCK_EDGES)
        query = gather_rows(query_ptr, row, valid, cell, inside, WIDTH, ACC)
        grad_out = gather_rows(grad_out_ptr, row, valid, cell, inside, WIDTH, ACC)
        score = value[None, :, :] + query
        logit = tl.sum(leaky(score, score, SLOPE) * att[None, :, :], 2)
        logsumexp = gather_heads(logsumexp_ptr, row, valid, head, HEADS, ACC)
        alpha = coefficient(logit, logsumexp, valid)
        grad_alpha = tl.sum(grad_out * value[None, :, :], 2)
        weight = alpha
        if THRESHOLD > 0:
            keep = dropout_scale(row, src, head, key_ptr, THRESHOLD, SCALE, ACC)
            grad_alpha, weight = grad_alpha * keep, alpha * keep
        delta = gather_heads(delta_ptr, row, valid, head, HEADS, ACC)
        grad_logit = (alpha * (grad_alpha - delta))[:, :, None]
        acc += weight[:, :, None] * grad_out + leaky(score, grad_logit, SLOPE) * att[None, :, :]
    tl.store(grad_value_ptr + src * WIDTH + cell, tl.sum(acc, 0), mask=inside)
