"""Attention over the in-neighbours of each node: the readable reference, on any device.

Rows are picked by `index_select`, whose gradient is a sum over rows; that of `x[index]` sorts.

Shapes: E edges, S sources, D destinations, H heads, C channels a head. Rows of the CSR are the
destinations. A destination without in-neighbours gets zeros.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor
from torch.nn import functional as F

from redditgnn.csr import row_of_edge
from redditgnn.kernels.dropout import dropout as drop


def gat_attention(
    value: Float[Tensor, "src heads channels"],
    score_src: Float[Tensor, "src heads"],
    score_dst: Float[Tensor, "dst heads"],
    rowptr: Int64[Tensor, " dst_plus_1"],
    col: Int32[Tensor, " edges"],
    *,
    negative_slope: float,
    dropout: float,
) -> Float[Tensor, "dst heads channels"]:
    """Average each row's in-neighbours, weighted by softmax(LeakyReLU(score_src + score_dst)).

    Equations 1 to 4 of Velickovic et al. 2018 (arXiv:1710.10903). `dropout` is the probability
    that an attention coefficient is zeroed, the rest scaled up; 0 outside training. Extra memory:
    a few tensors of size E x H, and two of size E x H x C.
    """
    row = row_of_edge(rowptr, len(col))
    score = score_src.index_select(0, col) + score_dst.index_select(0, row)
    logit = F.leaky_relu(score, negative_slope)
    return _weighted_sum(value.index_select(0, col), logit, row, len(rowptr) - 1, dropout)


def gatv2_attention(
    value: Float[Tensor, "src heads channels"],
    query: Float[Tensor, "dst heads channels"],
    att: Float[Tensor, "heads channels"],
    rowptr: Int64[Tensor, " dst_plus_1"],
    col: Int32[Tensor, " edges"],
    *,
    negative_slope: float,
    dropout: float,
) -> Float[Tensor, "dst heads channels"]:
    """Average each row's in-neighbours, weighted by softmax(att . LeakyReLU(value + query)).

    Equation 7 of Brody et al. 2022 (arXiv:2105.14491). `dropout` as in `gat_attention`. Extra
    memory: about four tensors of size E x H x C.
    """
    row = row_of_edge(rowptr, len(col))
    message = value.index_select(0, col)
    score = F.leaky_relu(message + query.index_select(0, row), negative_slope)
    logit = (score * att).sum(-1)
    return _weighted_sum(message, logit, row, len(rowptr) - 1, dropout)


def _weighted_sum(
    message: Float[Tensor, "edges heads channels"],
    logit: Float[Tensor, "edges heads"],
    row: Int64[Tensor, " edges"],
    num_rows: int,
    dropout: float,
) -> Float[Tensor, "dst heads channels"]:
    heads, channels = message.shape[1:]
    index = row[:, None].expand(-1, heads)
    largest = logit.new_full((num_rows, heads), -torch.inf)
    largest = largest.scatter_reduce(0, index, logit.detach(), "amax")
    weight = (logit - largest.index_select(0, row)).exp()
    total = weight.new_zeros(num_rows, heads).index_add(0, row, weight)
    alpha = drop(weight / total.index_select(0, row), dropout, training=dropout > 0)
    zeros = message.new_zeros(num_rows, heads, channels)
    return zeros.index_add(0, row, message * alpha[:, :, None])
