"""Chebyshev filters (Defferrard et al. 2016, arXiv:1606.09375)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.errors import require, require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, to_dense
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.kernels.neighbors import normalized_neighbor_sum
from redditgnn.model.base import Backbone
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class Cheb(Backbone):
    """Convolutions whose filters are polynomials of degree `order` in the Laplacian.

    A filter is sum_k T_k(L) x W_k with Chebyshev's polynomials T_k, and L = -D^-1/2 A D^-1/2: the
    Laplacian's largest eigenvalue is taken to be 2, as in PyG's `ChebConv`, whose results these
    are where weights are symmetric. A layer is a hop. So there are `num_layers / order`
    convolutions.

    The sum is computed by Clenshaw's recurrence, b_k = x W_k + 2 L b_(k+1) - b_(k+2), which
    gathers as many channels as a convolution gives, and not as many as it reads.
    """

    takes_edge_weight = True

    def __init__(
        self,
        spec: GraphSpec,
        *,
        hidden_channels: int,
        num_layers: int,
        order: int,
        dropout: int | float,
        input_dropout: int | float,
    ) -> None:
        super().__init__()
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_layers", num_layers)
        require_positive("model.order", order)
        require(
            num_layers % order == 0,
            f"model.num_layers must be a multiple of model.order={order}, whose filters take as "
            f"many hops, got {num_layers}; try {max(1, round(num_layers / order)) * order}",
        )
        require_probability("model.dropout", dropout)
        require_probability("model.input_dropout", input_dropout)
        self.num_layers, self.order = num_layers, order
        self.dropout, self.input_dropout = dropout, input_dropout
        hidden = [hidden_channels] * (num_layers // order - 1)
        widths = [spec.num_features, *hidden, spec.num_classes]
        self.lins = nn.ModuleList(_products(i, o, order + 1) for i, o in pairwise(widths))
        self.biases = nn.ParameterList(torch.zeros(width) for width in widths[1:])

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "src _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Take one step of the recurrence, the last of which ends a convolution.

        States between steps hold b_(k+1), b_(k+2) and x W_k, ..., x W_0 side by side.
        """
        number, step = divmod(index, self.order)
        width = len(self.biases[number])
        terms = self._terms(number, h) if step == 0 else to_dense(h).split(width, 1)
        latest, before, *products = terms
        hop = -normalized_neighbor_sum(latest.contiguous(), block)
        product, *rest = (each[: block.num_dst] for each in products)
        before, latest = before[: block.num_dst], latest[: block.num_dst]
        if rest:
            return torch.cat([product + 2 * hop - before, latest, *rest], 1)
        out = product + hop - before + self.biases[number]
        return out if index == self.num_layers - 1 else F.relu(out)

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE + 4  # a weight

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the last convolution: Kipf and Welling regularise only the first."""
        return [self.lins[-1].weight, self.biases[-1]]

    def _terms(self, number: int, h: Tensor | Rows) -> Sequence[Tensor]:
        """Return b_order, b_(order+1), which is zero, and the other products in falling order."""
        rate = self.input_dropout if number == 0 else self.dropout
        products = self.lins[number](feature_dropout(h, rate, self.training))
        *lower, latest = products.split(len(self.biases[number]), 1)
        return [latest, torch.zeros_like(latest), *reversed(lower)]


def _products(in_channels: int, out_channels: int, count: int) -> FeatureLinear:
    """Return one linear map that gives `count` products side by side, as that many of PyG's do."""
    linear = FeatureLinear(in_channels, count * out_channels, bias=False)
    for weight in linear.weight.split(out_channels):
        nn.init.xavier_uniform_(weight)
    return linear
