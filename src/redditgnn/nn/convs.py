"""PyG's SAGE, GCN, GCNII and GIN convolutions over a block: same constructor, weights, results.

They take a block in place of `edge_index`, and compute PyG's sums with
`redditgnn.kernels.aggregate`. Called with an `edge_index`, they are PyG's layers.

Aggregation A and transformation W are both linear, so A (h W) = (A h) W. The cheaper order is used.
Lazy features are aggregated in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import GCN2Conv, GCNConv, GINConv, SAGEConv

from redditgnn.graph.batch import Block
from redditgnn.graph.features import Rows, first_rows
from redditgnn.kernels.neighbors import (
    States,
    mean_with_self,
    neighbor_mean,
    neighbor_sum,
    normalized_sum,
    own_rows,
    sum_with_restart,
)
from redditgnn.nn.feature_linear import feature_linear

Operator = Callable[[States, Block], Tensor]

GATHER_COST = 8
"""Multiplications in the time of gathering and adding one number. See `transforms_first`."""


class LinearSAGEConv(SAGEConv):
    """GraphSAGE with a mean (Hamilton et al. 2017, arXiv:1706.02216). Arguments as in PyG.

    `with_self`: the mean includes the node itself, for `root_weight=False`. With a block, `aggr`
    must be the mean and `project` False.
    """

    def __init__(self, *args: Any, with_self: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._operator = mean_with_self if with_self else neighbor_mean

    def forward(self, x: Any, edge_index: Any, size: Any = None) -> Tensor:
        """Return the states of the block's destinations, the first rows of `x`."""
        if not isinstance(edge_index, Block):
            return super().forward(x, edge_index, size)
        out = _apply_linear(self._operator, x, edge_index, self.lin_l.weight)
        if self.lin_l.bias is not None:
            out = out + self.lin_l.bias
        if self.root_weight:
            out = out + feature_linear(first_rows(x, edge_index.num_dst), self.lin_r.weight)
        return F.normalize(out, dim=-1) if self.normalize else out


class LinearGCNConv(GCNConv):
    """GCN (Kipf and Welling 2017, arXiv:1609.02907). Arguments as in PyG.

    With a block it adds self-loops and normalises by the block's degrees, those of the whole graph.
    """

    def forward(self, x: Any, edge_index: Any, edge_weight: Any = None) -> Tensor:
        """Return the states of the block's destinations, the first rows of `x`."""
        if not isinstance(edge_index, Block):
            return super().forward(x, edge_index, edge_weight)
        out = _apply_linear(normalized_sum, x, edge_index, self.lin.weight)
        return out if self.bias is None else out + self.bias


class LinearGCN2Conv(GCN2Conv):
    """GCNII (Chen et al. 2020, arXiv:2007.02133). Arguments as in PyG.

    With a block it normalises by the block's degrees, which are those of the whole graph.
    """

    def forward(self, x: Any, x_0: Any, edge_index: Any, edge_weight: Any = None) -> Tensor:
        """Return the states of the block's destinations, the first rows of `x` and `x_0`."""
        if not isinstance(edge_index, Block):
            return super().forward(x, x_0, edge_index, edge_weight)
        if self.weight2 is None:
            out = sum_with_restart(x, x_0, edge_index, self.alpha)
            return self._transform(out, self.weight1)
        out = normalized_sum(x, edge_index, 1 - self.alpha)
        initial = own_rows(x_0, edge_index) * self.alpha
        return self._transform(out, self.weight1) + self._transform(initial, self.weight2)

    def _transform(self, h: Tensor, weight: Tensor) -> Tensor:
        """Multiply by a mix of identity and weights, whose share falls with the layer's depth."""
        identity = torch.eye(len(weight), dtype=weight.dtype, device=weight.device)
        return h @ torch.lerp(identity, weight, self.beta)


class LinearGINConv(GINConv):
    """GIN (Xu et al. 2019, arXiv:1810.00826). Arguments as in PyG."""

    def forward(self, x: Any, edge_index: Any, size: Any = None) -> Tensor:
        """Return the states of the block's destinations, the first rows of `x`."""
        if not isinstance(edge_index, Block):
            return super().forward(x, edge_index, size)
        own = own_rows(x, edge_index)
        return self.nn(neighbor_sum(x, edge_index) + (1 + self.eps) * own)


def transforms_first(h: States, block: Block, out_channels: int) -> bool:
    """Whether multiplying by the weights before aggregating is estimated to be cheaper.

    Aggregating first gathers `in_channels` numbers per edge and multiplies the destinations' rows.
    Transforming first multiplies all sources' rows and gathers `out_channels` numbers per edge.
    The backward pass repeats both, except for gradients of features. Gathering a number takes as
    long as GATHER_COST multiplications (about 0.1 ns against 0.013 ns on two cores). For sparse
    rows the product gathers too: the weights of each non-zero. Their averages would be dense, so
    features that are stored sparse are always transformed first.
    """
    if isinstance(h, Rows) and h.is_stored_sparse:
        return True
    num_src, in_channels = h.shape
    num_edges, product = len(block.col), in_channels * out_channels
    training = torch.is_grad_enabled()
    has_gradient = training and not isinstance(h, Rows) and h.requires_grad
    gathers, products = 1 + has_gradient, 1 + training + has_gradient
    aggregate_cost = gathers * num_edges * in_channels * GATHER_COST
    aggregate_cost += products * block.num_dst * product
    transform_cost = float((1 + training) * num_edges * out_channels * GATHER_COST)
    sparse = h.sparse if isinstance(h, Rows) else None
    share = 1.0 if sparse is None else sparse.density * GATHER_COST
    transform_cost += products * num_src * product * share
    if sparse is None and isinstance(h, Rows) and h.node_ids is not None:
        transform_cost += num_src * in_channels * GATHER_COST
    return transform_cost < aggregate_cost


def _apply_linear(operator: Operator, h: States, block: Block, weight: Tensor) -> Tensor:
    if transforms_first(h, block, weight.size(0)):
        return operator(feature_linear(h, weight), block)
    return F.linear(operator(h, block), weight)
