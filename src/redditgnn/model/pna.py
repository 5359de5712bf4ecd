"""PNA: several aggregators, scaled by the degree (Corso et al. 2020, arXiv:2004.05718)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from redditgnn.errors import require, require_positive
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.stack import ConvStack, Jump, Norm
from redditgnn.nn.pna import LinearPNAConv

Aggregator = Literal["mean", "max", "min", "std"]
Scaler = Literal["identity", "amplification", "attenuation"]


class PNA(ConvStack):
    """A stack of PyG's `PNAConv`.

    The scalers compare the logarithm of a node's degree with its mean over the training graph.
    `towers`: how many times all of a layer stands side by side, each with a share of its outputs;
    the last layer has one tower where it gives the logits.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        aggregators: list[Aggregator],
        scalers: list[Scaler],
        towers: int,
        hidden_channels: int,
        num_layers: int,
        dropout: int | float,
        input_dropout: int | float,
        norm: Norm | None,
        residual: bool,
        jk: Jump | None,
    ) -> None:
        require(len(aggregators) > 0, "model.aggregators must name one at least, as in [mean, max]")
        require(len(scalers) > 0, "model.scalers must name one at least, as in [identity]")
        require_positive("model.towers", towers)
        require(
            hidden_channels % towers == 0,
            f"model.hidden_channels must be a multiple of model.towers={towers}, "
            f"got {hidden_channels}; try {max(1, round(hidden_channels / towers)) * towers}",
        )
        self._aggregators, self._scalers, self._towers = aggregators, scalers, towers
        self._mean_log_degree = spec.mean_log_degree or 1.0  # no edges: nothing to compare with
        super().__init__(
            spec,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            dropout=dropout,
            input_dropout=input_dropout,
            norm=norm,
            residual=residual,
            jk=jk,
        )

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        conv = LinearPNAConv(
            in_channels,
            out_channels,
            self._aggregators,
            self._scalers,
            deg=torch.tensor([0, 1]),  # PyG's histogram of degrees, of which it keeps two means
            towers=1 if gives_logits else self._towers,
        )
        conv.aggr_module.init_avg_deg_log = self._mean_log_degree
        conv.aggr_module.reset_parameters()
        return conv

    def convolve(self, conv: nn.Module, h: Tensor, block: Block) -> Tensor:
        return conv(h, block)

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE + 16  # and the rows of edges, where a maximum is taken
