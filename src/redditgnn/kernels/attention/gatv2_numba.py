"""GATv2 attention on the CPU.

The forward pass reads the CSR once. The backward pass reads it and its transpose once. The kernels
and the mathematics are in `gatv2_rows_numba`. Shapes are those of
`redditgnn.kernels.attention.operator`.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Int64, Integer
from torch import Tensor

from redditgnn.kernels.attention.arrays_numba import (
    dropout_settings,
    flatten,
    pad_channels,
    pad_columns,
)
from redditgnn.kernels.attention.gatv2_rows_numba import (
    backward_columns,
    backward_rows,
    forward_rows,
)
from redditgnn.kernels.simd_numba import LANES
from redditgnn.runtime.numba_threads import row_ranges, run_on_ranges, run_on_rows

ATT_SUMS = 64  # partial sums of att's gradient, whatever the number of threads


def gatv2_forward(
    value: Float32[Tensor, "src heads channels"],
    query: Float32[Tensor, "dst heads channels"],
    att: Float32[Tensor, "heads channels"],
    rowptr: Int64[Tensor, " dst_plus_1"],
    col: Integer[Tensor, " edges"],
    negative_slope: float,
    dropout: float,
    key: Tensor | None,
) -> tuple[Float32[Tensor, "dst heads channels"], Float32[Tensor, "dst heads"]]:
    """Return the attended rows, and the logarithm of the softmax's denominator."""
    heads, channels = value.shape[1:]
    values, queries, weights = pad_channels(value), pad_channels(query), pad_channels(att[None])
    out = torch.empty_like(queries)
    logsumexp = torch.empty(len(query), heads + -heads % LANES)
    run_on_rows(
        forward_rows,
        rowptr.numpy(),
        col.numpy(),
        *flatten(values, queries, weights),
        heads,
        np.float32(negative_slope),
        *dropout_settings(dropout, key),
        *flatten(out, logsumexp),
    )
    return out[:, :, :channels].contiguous(), logsumexp[:, :heads].contiguous()


def gatv2_backward(
    grad_out: Float32[Tensor, "dst heads channels"],
    value: Float32[Tensor, "src heads channels"],
    query: Float32[Tensor, "dst heads channels"],
    att: Float32[Tensor, "heads channels"],
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
    Float32[Tensor, "dst heads channels"],
    Float32[Tensor, "heads channels"],
]:
    """Return the gradients of value, query and att. `t_*` is the transposed CSR."""
    heads, channels = value.shape[1:]
    delta = (grad_out * out).sum(-1)
    scalars = torch.stack([pad_columns(logsumexp), pad_columns(delta)], 1)
    of_rows = torch.stack([pad_channels(query), pad_channels(grad_out)], 1)
    values, weights = pad_channels(value), pad_channels(att[None])
    inputs = flatten(values, of_rows, scalars, weights)
    settings = heads, np.float32(negative_slope), *dropout_settings(dropout, key)
    grad_value, grad_query = torch.empty_like(values), torch.empty(len(query), *values.shape[1:])
    ranges = row_ranges(rowptr.numpy(), ATT_SUMS)
    att_sums = torch.zeros(ATT_SUMS, *values.shape[1:])
    run_on_ranges(
        backward_rows,
        range(len(ranges)),
        ranges,
        rowptr.numpy(),
        col.numpy(),
        *inputs,
        *settings,
        *flatten(grad_query, att_sums),
    )
    run_on_rows(
        backward_columns, t_rowptr.numpy(), t_row.numpy(), *inputs, *settings, *flatten(grad_value)
    )
    return (
        grad_value[:, :, :channels].contiguous(),
        grad_query[:, :, :channels].contiguous(),
        att_sums.sum(0)[:, :channels].contiguous(),
    )
