"""GATv2 attention edge by edge, in tensor operations: the readable reference, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from redditgnn.graph.csr import row_of_edge
from redditgnn.kernels.attention.gat_torch import (
    attended_rows,
    drop_coefficients,
    grad_of_logit,
    row_sums,
)


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
    """Return the attended rows, and the logarithm of the softmax's denominator."""
    row = row_of_edge(rowptr, len(col))
    logit = gatv2_edge_logit(value, query, att, row, col, negative_slope)
    return attended_rows(logit, value, row, col, len(query), dropout, key)


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
    """Return the gradients of value, query and att."""
    row, message = row_of_edge(rowptr, len(col)), value[col]
    score = message + query[row]
    activated = F.leaky_relu(score, negative_slope)
    alpha = ((activated * att).sum(-1) - logsumexp[row]).exp()
    share = drop_coefficients(alpha, row, col, dropout, key)
    grad_logit = grad_of_logit(grad_out, message, alpha, share, row)[:, :, None]
    grad_score = grad_logit * att * torch.where(score > 0, 1.0, negative_slope)
    grad_value = row_sums(share[:, :, None] * grad_out[row] + grad_score, col, len(value))
    grad_query = row_sums(grad_score, row, len(query))
    return grad_value, grad_query, (grad_logit * activated).sum(0)


def gatv2_edge_logit(
    value: Tensor,
    query: Tensor,
    att: Tensor,
    row: Tensor,
    col: Tensor,
    negative_slope: float,
) -> Tensor:
    """Return what the softmax reads [edges, heads]."""
    return (F.leaky_relu(value[col] + query[row], negative_slope) * att).sum(-1)
