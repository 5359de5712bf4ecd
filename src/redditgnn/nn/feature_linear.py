"""Dropout and linear maps of states that may be lazy rows of features.

If most features are zeros, as in bags of words, only the non-zeros are dropped and multiplied. The
features are not materialised as a dense matrix, neither before nor after dropout.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.graph.features import Rows, to_dense
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.kernels.aggregate import aggregate
from redditgnn.kernels.dropout import dropout


def feature_linear(
    h: Float[Tensor, "rows in_channels"] | Rows,
    weight: Float[Tensor, "out_channels in_channels"],
    bias: Float[Tensor, " out_channels"] | None = None,
) -> Float[Tensor, "rows out_channels"]:
    """Multiply as `F.linear` does. A sparse row sums the weights of its non-zeros.

    Features have no gradient.
    """
    if not isinstance(h, Rows) or h.sparse is None:
        return F.linear(to_dense(h), weight, bias)
    out = _sum_weights(h.sparse, weight)
    return out if bias is None else out + bias


@torch.compiler.disable  # computes the transpose, whose size depends on the data
def _sum_weights(rows: SparseFeatures, weight: Tensor) -> Tensor:
    return aggregate(weight.t(), rows.csr, weight=rows.values)


class FeatureLinear(nn.Linear):
    """torch's linear layer, which also takes rows of features."""

    def forward(self, h: Float[Tensor, "rows in_channels"] | Rows) -> Tensor:
        return feature_linear(h, self.weight, self.bias)


def feature_dropout(
    h: Float[Tensor, "rows width"] | Rows, p: float, training: bool
) -> Float[Tensor, "rows width"] | Rows:
    """Drop elements as `dropout` does. Sparse rows drop only non-zeros.

    Lazy rows stay lazy if nothing is dropped. Otherwise they are gathered, unless sparse.
    """
    if isinstance(h, Rows) and not (training and p > 0):
        return h
    if isinstance(h, Rows) and h.sparse is not None:
        return Rows(h.sparse.with_values(dropout(h.sparse.values, p, training)))
    return dropout(to_dense(h), p, training)
