"""DAGNN: hops weighted by each node for itself (Liu, Gao and Ji 2020, arXiv:2007.09296)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, to_dense
from redditgnn.kernels.neighbors import normalized_sum
from redditgnn.model.decoupled import Decoupled, DecoupledSettings


class DAGNN(Decoupled):
    """Two linear layers and `num_layers` steps of propagation (the paper's k), all of which count.

    The states after 0, 1, ..., k steps are added up, each times a gate that a node computes from
    that state (eq. 8). A layer gives the sum so far beside the state that the next one propagates.
    """

    def __init__(self, spec: GraphSpec, **settings: Unpack[DecoupledSettings]) -> None:
        super().__init__(spec, **settings)
        self.gate = nn.Linear(spec.num_classes, 1)

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "src _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Take one step, and add the gated state; the last layer returns the sum alone."""
        h = to_dense(h)
        if index == 0:
            before, total = h, self._gated(h[: block.num_dst])
        else:
            total, before = h.chunk(2, dim=1)
        state = normalized_sum(before, block)
        total = total[: block.num_dst] + self._gated(state)
        return total if index == self.num_layers - 1 else torch.cat([total, state], 1)

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return no parameters: all are regularised."""
        return []

    def _gated(self, state: Float[Tensor, "rows classes"]) -> Float[Tensor, "rows classes"]:
        return torch.sigmoid(self.gate(state)) * state
