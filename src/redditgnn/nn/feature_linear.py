"""Dropout and a linear map of states that may still be lazy rows of features.

Where most features are zeros, as in bags of words, only the others are dropped and multiplied, and
no dense matrix is made: neither of the features nor of what dropout leaves of them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.graph.features import Rows, SparseFeatures, gathered
from redditgnn.kernels.aggregate import aggregate
from redditgnn.kernels.dropout import dropout


def feature_linear(
    h: Float[Tensor, "rows in_channels"] | Rows,
    weight: Float[Tensor, "out_channels in_channels"],
    bias: Float[Tensor, " out_channels"] | None = None,
) -> Float[Tensor, "rows out_channels"]:
    """Multiply as `F.linear` does; of sparse rows each sums the weights of its non-zeros.

    Features have no gradient.
    """
    if not isinstance(h, Rows) or h.sparse is None:
        return F.linear(gathered(h), weight, bias)
    out = _summed(h.sparse, weight)
    return out if bias is None else out + bias


@torch.compiler.disable  # the transpose is computed on the way, of a size that depends on the data
def _summed(rows: SparseFeatures, weight: Tensor) -> Tensor:
    return aggregate(weight.t(), rows.csr, weight=rows.values)


class FeatureLinear(nn.Linear):
    """A linear layer that takes rows of features as well as tensors; parameters are torch's."""

    def forward(self, h: Float[Tensor, "rows in_channels"] | Rows) -> Tensor:
        return feature_linear(h, self.weight, self.bias)


def feature_dropout(
    h: Float[Tensor, "rows width"] | Rows, p: float, training: bool
) -> Float[Tensor, "rows width"] | Rows:
    """Drop elements as `dropout` does: of sparse rows the non-zeros, as zeros stay what they are.

    Lazy rows stay lazy where nothing is dropped, and are gathered otherwise.
    """
    if isinstance(h, Rows) and not (training and p > 0):
        return h
    if isinstance(h, Rows) and h.sparse is not None:
        return Rows(SparseFeatures(h.sparse.csr, dropout(h.sparse.values, p, training)))
    return dropout(gathered(h), p, training)
