"""Softmax regression: one linear layer on the features, the baseline of embeddings."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from redditgnn.errors import require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows
from redditgnn.model.base import PerNodeModel
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class Linear(PerNodeModel):
    """A linear layer and nothing else. It reads no edges, so samplers draw none."""

    def __init__(self, spec: GraphSpec, *, dropout: int | float) -> None:
        super().__init__()
        require_probability("model.dropout", dropout)
        self.dropout = dropout
        self.lin = FeatureLinear(spec.num_features, spec.num_classes)

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Map the destinations' features to logits."""
        own = first_rows(h, block.num_dst)
        return self.lin(feature_dropout(own, self.dropout, self.training))
