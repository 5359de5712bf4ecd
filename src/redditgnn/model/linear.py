"""Softmax regression: one linear layer on the features, the baseline of embeddings."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from redditgnn.errors import require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows
from redditgnn.model.base import Backbone
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class Linear(Backbone):
    """A linear layer and nothing else. It reads no edges, so samplers draw none."""

    num_layers = 1
    reads_edges = False
    takes_edge_weight = True  # it reads no edges

    def __init__(self, spec: GraphSpec, *, dropout: int | float) -> None:
        super().__init__()
        require_probability("model.dropout", dropout)
        self.dropout = dropout
        self.lin = FeatureLinear(spec.num_features, spec.num_classes)

    def encode(self, x: Rows) -> Rows:
        """Return the features as they are."""
        return x

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Map the destinations' features to logits."""
        own = first_rows(h, block.num_dst)
        return self.lin(feature_dropout(own, self.dropout, self.training))

    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Return the states of the only layer, which are logits."""
        return states[-1]

    def bytes_per_edge(self) -> int:
        return 4

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return no parameters: the only layer is regularised."""
        return []
