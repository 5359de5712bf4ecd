"""GAT attention edge by edge, in tensor operations: the readable reference, on any device.

It creates tensors of size edges x heads x channels. Shapes and mathematics are those of
`redditgnn.kernels.attention.operator`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from redditgnn.graph.csr import row_of_edge
from redditgnn.kernels.edge_hash import edge_keep_mask


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
    """Return the attended rows, and the logarithm of the softmax's denominator."""
    row = row_of_edge(rowptr, len(col))
    logit = gat_edge_logit(value, score_src, score_dst, row, col, negative_slope)
    return attended_rows(logit, value, row, col, len(score_dst), dropout, key)


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
    """Return the gradients of value, score_src and score_dst."""
    row = row_of_edge(rowptr, len(col))
    score = score_src[col] + score_dst[row]
    alpha = (F.leaky_relu(score, negative_slope) - logsumexp[row]).exp()
    share = drop_coefficients(alpha, row, col, dropout, key)
    grad_logit = grad_of_logit(grad_out, value[col], alpha, share, row)
    grad_score = grad_logit * torch.where(score > 0, 1.0, negative_slope)
    grad_value = row_sums(share[:, :, None] * grad_out[row], col, len(value))
    grad_src = row_sums(grad_score, col, len(value))
    return grad_value, grad_src, row_sums(grad_score, row, len(score_dst))


def gat_edge_logit(
    value: Tensor,
    score_src: Tensor,
    score_dst: Tensor,
    row: Tensor,
    col: Tensor,
    negative_slope: float,
) -> Tensor:
    """Return what the softmax reads [edges, heads]. `value` is not read."""
    return F.leaky_relu(score_src[col] + score_dst[row], negative_slope)


def attended_rows(
    logit: Tensor,
    value: Tensor,
    row: Tensor,
    col: Tensor,
    num_rows: int,
    dropout: float,
    key: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return what a forward pass does, given the logits [edges, heads]."""
    logsumexp = log_sum_exp(logit, row, num_rows)
    share = drop_coefficients((logit - logsumexp[row]).exp(), row, col, dropout, key)
    return row_sums(share[:, :, None] * value[col], row, num_rows), logsumexp


def log_sum_exp(logit: Tensor, row: Tensor, num_rows: int) -> Tensor:
    """Return log(sum(exp(logit))) of each row, -inf for a row without edges."""
    index = row[:, None].expand_as(logit)
    largest = logit.new_full((num_rows, logit.size(1)), -torch.inf)
    largest = largest.scatter_reduce(0, index, logit, "amax")
    return largest + row_sums((logit - largest[row]).exp(), row, num_rows).log()


def drop_coefficients(
    alpha: Tensor, row: Tensor, col: Tensor, dropout: float, key: Tensor | None
) -> Tensor:
    """Zero the attention coefficients that the hash drops, and scale up the rest."""
    if key is None:
        return alpha
    keep = edge_keep_mask(row, col, alpha.size(1), dropout, key)
    return alpha * keep / (1 - dropout)


def grad_of_logit(
    grad_out: Tensor, message: Tensor, alpha: Tensor, share: Tensor, row: Tensor
) -> Tensor:
    """Return the softmax's gradient [edges, heads]: alpha (d message . grad_out - its mean)."""
    gradient = share * (message * grad_out[row]).sum(-1)
    return gradient - alpha * row_sums(gradient, row, len(grad_out))[row]


def row_sums(of_edges: Tensor, row: Tensor, num_rows: int) -> Tensor:
    """Sum the values of each row's edges."""
    return of_edges.new_zeros(num_rows, *of_edges.shape[1:]).index_add_(0, row, of_edges)
