"""SGC: GCN without its nonlinearities (Wu et al. 2019, arXiv:1902.07153).

It is logistic regression on features that are propagated once, before training.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from redditgnn.errors import require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.dropout import dropout
from redditgnn.kernels.neighbors import normalized_sum, own_rows
from redditgnn.model.base import PerNodeModel
from redditgnn.model.propagation import Propagation


class SGC(PerNodeModel):
    """One linear layer on features propagated `num_hops` times. Parameters as in PyG's `SGConv`."""

    def __init__(self, spec: GraphSpec, *, num_hops: int, dropout: int | float) -> None:
        super().__init__()
        require_positive("model.num_hops", num_hops)
        require_probability("model.dropout", dropout)
        self.propagation = Propagation([normalized_sum] * num_hops, keeps_all=False)
        self.dropout = dropout
        self.lin = nn.Linear(spec.num_features, spec.num_classes)

    def layer(
        self, index: int, h: Tensor | Rows, block: Block, h0: Tensor | Rows
    ) -> Float[Tensor, "dst classes"]:
        """Map the destinations' features to logits."""
        return self.lin(dropout(own_rows(h, block), self.dropout, self.training))
