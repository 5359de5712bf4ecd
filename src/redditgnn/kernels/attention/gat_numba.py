"""GAT attention on the CPU.

The forward pass reads the CSR once. The backward pass reads it and its transpose once. The kernels
and the mathematics are in `gat_rows_numba`. Shapes are those of
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
from redditgnn.kernels.attention.gat_rows_numba import backward_columns, backward_rows, forward_rows
from redditgnn.runtime.numba_threads import run_on_rows


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
    values = pad_channels(value)
    scores_src, scores_dst = pad_columns(score_src), pad_columns(score_dst)
    out = torch.empty(len(score_dst), heads, values.size(2))
    logsumexp = torch.empty_like(scores_dst)
    run_on_rows(
        forward_rows,
        rowptr.numpy(),
        col.numpy(),
        *flatten(values, scores_src, scores_dst),
        heads,
        np.float32(negative_slope),
        *dropout_settings(dropout, key),
        *flatten(out, logsumexp),
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
    """Return the gradients of value, score_src and score_dst. `t_*` is the transposed CSR."""
    heads, channels = value.shape[1:]
    delta = (grad_out * out).sum(-1)
    of_rows = torch.stack([pad_columns(t) for t in (score_dst, logsumexp, delta)], 1)
    values, grads_out = pad_channels(value), pad_channels(grad_out)
    scores_src = pad_columns(score_src)
    grad_value, grad_src = torch.empty_like(values), torch.empty_like(scores_src)
    grad_dst = torch.empty(len(score_dst), scores_src.size(1))
    settings = heads, np.float32(negative_slope), *dropout_settings(dropout, key)
    inputs = flatten(values, scores_src, grads_out, of_rows)
    run_on_rows(backward_rows, rowptr.numpy(), col.numpy(), *inputs, *settings, *flatten(grad_dst))
    run_on_rows(
        backward_columns,
        t_rowptr.numpy(),
        t_row.numpy(),
        *inputs,
        *settings,
        *flatten(grad_value, grad_src),
    )
    return (
        grad_value[:, :, :channels].contiguous(),
        grad_src[:, :heads].contiguous(),
        grad_dst[:, :heads].contiguous(),
    )
