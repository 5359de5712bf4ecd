"""SIGN: a perceptron on the features of several hops (Frasca et al. 2020, arXiv:2004.11198).

The features after 0, 1, ..., `num_hops` steps are computed once, before training, with the
normalisation of PyG's transform `SIGN`: D^-1/2 A D^-1/2, without self-loops.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.errors import require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.dropout import dropout
from redditgnn.kernels.neighbors import normalized_neighbor_sum, own_rows
from redditgnn.model.base import PerNodeModel
from redditgnn.model.propagation import Propagation


class SIGN(PerNodeModel):
    """A linear layer for each hop, and one for all of them.

    It departs from the paper: powers of one operator, without triangles and PageRank.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        hidden_channels: int,
        num_hops: int,
        dropout: int | float,
        input_dropout: int | float,
    ) -> None:
        super().__init__()
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_hops", num_hops)
        require_probability("model.dropout", dropout)
        require_probability("model.input_dropout", input_dropout)
        steps = [own_rows, *[normalized_neighbor_sum] * num_hops]
        self.propagation = Propagation(steps, keeps_all=True)
        self.dropout, self.input_dropout = dropout, input_dropout
        self.lins = nn.ModuleList(nn.Linear(spec.num_features, hidden_channels) for _ in steps)
        self.head = nn.Linear(hidden_channels * len(steps), spec.num_classes)

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Map the destinations' features of all hops to logits."""
        x = dropout(own_rows(h, block), self.input_dropout, self.training)
        hops = x.chunk(len(self.lins), dim=1)
        hidden = [linear(hop) for linear, hop in zip(self.lins, hops, strict=True)]
        states = dropout(F.relu(torch.cat(hidden, 1)), self.dropout, self.training)
        return self.head(states)

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the layer that gives the logits."""
        return list(self.head.parameters())
