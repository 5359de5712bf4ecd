"""PNA: several aggregators, scaled by the degree (Corso et al. 2020, arXiv:2004.05718)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.stack import ConvStack, StackSettings
from redditgnn.nn.pna import LinearPNAConv

Aggregator = Literal["mean", "max", "min", "std"]
Scaler = Literal["identity", "amplification", "attenuation"]


class PNA(ConvStack):
    """A stack of PyG's `PNAConv`.

    The scalers compare the logarithm of a node's degree with its mean over the training graph.
    `towers`: the number of parallel copies of a layer, each with a share of its outputs. A last
    layer that gives the logits has one.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        aggregators: list[Aggregator],
        scalers: list[Scaler],
        towers: int,
        **stack: Unpack[StackSettings],
    ) -> None:
        require(len(aggregators) > 0, "model.aggregators must name at least one, as in [mean, max]")
        require(len(scalers) > 0, "model.scalers must name at least one, as in [identity]")
        require_positive("model.towers", towers)
        width = stack["hidden_channels"]
        require(
            width % towers == 0,
            f"model.hidden_channels must be a multiple of model.towers={towers}, got {width}; "
            f"try {max(1, round(width / towers)) * towers}",
        )
        self._aggregators, self._scalers, self._towers = aggregators, scalers, towers
        self._mean_log_degree = spec.mean_log_degree or 1.0  # 0 without edges
        super().__init__(spec, **stack)

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        conv = LinearPNAConv(
            in_channels,
            out_channels,
            self._aggregators,
            self._scalers,
            deg=torch.tensor([0, 1]),  # PyG's histogram of degrees, reduced to two means
            towers=1 if gives_logits else self._towers,
        )
        conv.aggr_module.init_avg_deg_log = self._mean_log_degree
        conv.aggr_module.reset_parameters()
        return conv

    def convolve(self, conv: nn.Module, h: Tensor, block: Block) -> Tensor:
        return conv(h, block)

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE + 16  # and the row of each edge, for a maximum
