"""PyG's PNA convolution over a block: same constructor, parameters and results.

A message is linear in both ends, W_i x_i + W_j x_j + b. The part that a row's messages share,
W_i x_i + b, can be added after a mean, max or min, and cancels in a standard deviation. So only
W_j x_j is aggregated, with all statistics in one pass, and without edge-sized tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.nn import Linear, PNAConv

from redditgnn.graph.batch import Block
from redditgnn.graph.features import first_rows
from redditgnn.kernels.statistics import Statistics, statistics_of
from redditgnn.runtime.precision import at_least_float32

LEAST_VARIANCE = 1e-5
"""The variance below which PyG's `StdAggregation` gives zero."""

Aggregator = Callable[[Tensor, Statistics], Tensor]
"""Takes the shared part of a row's messages [dst, width] and the statistics of the rest."""


class LinearPNAConv(PNAConv):
    """PNA (Corso et al. 2020, arXiv:2004.05718). Arguments as in PyG.

    With a block it requires `pre_layers=1`, `post_layers=1`, undivided inputs, the aggregators in
    `AGGREGATORS` and the paper's scalers. Those read the block's degrees, those of the whole graph.
    """

    def __init__(
        self, in_channels: int, out_channels: int, aggregators: Any, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(in_channels, out_channels, aggregators, *args, **kwargs)
        self._aggregators = aggregators

    def forward(self, x: Any, edge_index: Any, edge_attr: Any = None) -> Tensor:
        """Return the states of the block's destinations, the first rows of `x`."""
        if not isinstance(edge_index, Block):
            return super().forward(x, edge_index, edge_attr)
        own = first_rows(x, edge_index.num_dst)
        aggregates = self._aggregate(x, own, edge_index).to(x.dtype)
        scales = self._scales(edge_index).to(x.dtype)
        outs = [
            self._post_transform(post[0], own, aggregates[:, tower], scales)
            for tower, post in enumerate(self.post_nns)
        ]
        return self.lin(torch.cat(outs, 1))

    def _aggregate(
        self, x: Tensor, own: Tensor, block: Block
    ) -> Float[Tensor, "dst towers aggregators_x_in"]:
        weight_dst = torch.cat([pre[0].weight[:, : self.F_in] for pre in self.pre_nns])
        weight_src = torch.cat([pre[0].weight[:, self.F_in :] for pre in self.pre_nns])
        shared = F.linear(own, weight_dst, torch.cat([pre[0].bias for pre in self.pre_nns]))
        shared, messages = at_least_float32(shared), at_least_float32(F.linear(x, weight_src))
        statistics = statistics_of(messages, block)
        outs = [AGGREGATORS[name](shared, statistics) for name in self._aggregators]
        # A row without edges gets zeros. Some samplers give it edges of weight zero.
        has_edges = (block.rowptr.diff() > 0) & (block.degree[: block.num_dst] > 0)
        aggregates = torch.stack(outs, 1).unflatten(2, (self.towers, self.F_in))
        aggregates = aggregates * has_edges.view(-1, 1, 1, 1)
        return aggregates.transpose(1, 2).flatten(2)

    def _scales(self, block: Block) -> Float[Tensor, "scalers dst"]:
        log = (block.degree[: block.num_dst] + 1.0).log()
        mean_log = self.aggr_module.avg_deg_log
        return torch.stack([SCALERS[name](log, mean_log) for name in self.aggr_module.scaler])

    def _post_transform(
        self,
        post: Linear,
        own: Tensor,
        aggregates: Float[Tensor, "dst aggregators_x_in"],
        scales: Float[Tensor, "scalers dst"],
    ) -> Float[Tensor, "dst out"]:
        """Multiply before scaling, so that no tensor has columns for each scaler."""
        widths = [self.F_in, *[aggregates.size(1)] * len(scales)]
        own_weight, *scaled_weights = post.weight.split(widths, 1)
        out = F.linear(own, own_weight, post.bias)
        for scale, weight in zip(scales, scaled_weights, strict=True):
            out = out + F.linear(aggregates, weight) * scale[:, None]
        return out


def _std(shared: Tensor, statistics: Statistics) -> Tensor:
    variance = statistics.mean_square - statistics.mean * statistics.mean
    positive = variance > LEAST_VARIANCE
    return torch.where(positive, variance.clamp(min=LEAST_VARIANCE).sqrt(), 0.0)


AGGREGATORS: dict[str, Aggregator] = {
    "mean": lambda shared, statistics: shared + statistics.mean,
    "max": lambda shared, statistics: shared + statistics.largest,
    "min": lambda shared, statistics: shared + statistics.least,
    "std": _std,
}
SCALERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda log, mean_log: torch.ones_like(log),
    "amplification": lambda log, mean_log: log / mean_log,
    "attenuation": lambda log, mean_log: mean_log / log.clamp(min=math.log(2)),
}
