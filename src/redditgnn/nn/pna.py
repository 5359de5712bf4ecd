"""PyG's PNA convolution over a block: same constructor, parameters and numbers.

A message is linear in both ends, W_i x_i + W_j x_j + b, and what a row shares, W_i x_i + b, goes
past mean, max and min, and drops out of a standard deviation. So only W_j x_j is aggregated, all
statistics of it in one pass, and nothing of size edges x width exists.
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
"""What PyG's `StdAggregation` takes for zero."""

Aggregator = Callable[[Tensor, Statistics], Tensor]
"""Of what a row's messages share [dst, width] and what was found out about the rest."""


class LinearPNAConv(PNAConv):
    """PNA (Corso et al. 2020, arXiv:2004.05718); arguments as in PyG.

    With a block it wants `pre_layers=1`, `post_layers=1` and undivided inputs, the aggregators of
    `AGGREGATORS` and the paper's scalers, which read the block's degrees: those of the whole graph.
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
        found = self._aggregated(x, own, edge_index).to(x.dtype)
        scales = self._scales(edge_index).to(x.dtype)
        outs = [
            self._read(post[0], own, found[:, tower], scales)
            for tower, post in enumerate(self.post_nns)
        ]
        return self.lin(torch.cat(outs, 1))

    def _aggregated(
        self, x: Tensor, own: Tensor, block: Block
    ) -> Float[Tensor, "dst towers aggregators_x_in"]:
        of_dst = torch.cat([pre[0].weight[:, : self.F_in] for pre in self.pre_nns])
        of_src = torch.cat([pre[0].weight[:, self.F_in :] for pre in self.pre_nns])
        shared = F.linear(own, of_dst, torch.cat([pre[0].bias for pre in self.pre_nns]))
        shared, sent = at_least_float32(shared), at_least_float32(F.linear(x, of_src))
        statistics = statistics_of(sent, block)
        outs = [AGGREGATORS[name](shared, statistics) for name in self._aggregators]
        # A row without edges gets zeros. Some samplers give it edges that weigh nothing.
        reads = (block.rowptr.diff() > 0) & (block.degree[: block.num_dst] > 0)
        found = torch.stack(outs, 1).unflatten(2, (self.towers, self.F_in)) * reads.view(
            -1, 1, 1, 1
        )
        return found.transpose(1, 2).flatten(2)

    def _scales(self, block: Block) -> Float[Tensor, "scalers dst"]:
        log = (block.degree[: block.num_dst] + 1.0).log()
        mean_log = self.aggr_module.avg_deg_log
        return torch.stack([SCALERS[name](log, mean_log) for name in self.aggr_module.scaler])

    def _read(
        self,
        post: Linear,
        own: Tensor,
        found: Float[Tensor, "dst aggregators_x_in"],
        scales: Float[Tensor, "scalers dst"],
    ) -> Float[Tensor, "dst out"]:
        """Multiply before scaling, so that nothing has a column for each scaler."""
        widths = [self.F_in, *[found.size(1)] * len(scales)]
        of_own, *of_scaled = post.weight.split(widths, 1)
        out = F.linear(own, of_own, post.bias)
        for scale, weight in zip(scales, of_scaled, strict=True):
            out = out + F.linear(found, weight) * scale[:, None]
        return out


def _std(shared: Tensor, found: Statistics) -> Tensor:
    variance = found.mean_square - found.mean * found.mean
    positive = variance > LEAST_VARIANCE
    return torch.where(positive, variance.clamp(min=LEAST_VARIANCE).sqrt(), 0.0)


AGGREGATORS: dict[str, Aggregator] = {
    "mean": lambda shared, found: shared + found.mean,
    "max": lambda shared, found: shared + found.largest,
    "min": lambda shared, found: shared + found.least,
    "std": _std,
}
SCALERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda log, mean_log: torch.ones_like(log),
    "amplification": lambda log, mean_log: log / mean_log,
    "attenuation": lambda log, mean_log: mean_log / log.clamp(min=math.log(2)),
}
