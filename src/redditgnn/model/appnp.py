"""APPNP: predict, then propagate (Gasteiger et al. 2019, arXiv:1810.05997).

A perceptron maps each node's own features to logits. The layers, which have no parameters, are
steps of a random walk along the edges that returns to those logits with probability `alpha`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.errors import require, require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, to_dense
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.kernels.dropout import dropout
from redditgnn.kernels.neighbors import sum_with_restart
from redditgnn.model.base import Backbone
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class APPNP(Backbone):
    """Two linear layers and `num_layers` steps (the paper's K), with the results of PyG's `APPNP`.

    It departs from the paper in one way: edges are not dropped.
    """

    reads_h0 = True
    takes_edge_weight = True

    def __init__(
        self,
        spec: GraphSpec,
        *,
        hidden_channels: int,
        num_layers: int,
        alpha: int | float,
        dropout: int | float,
    ) -> None:
        super().__init__()
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_layers", num_layers)
        require(0 <= alpha <= 1, f"model.alpha must be in [0, 1], got {alpha}")
        require_probability("model.dropout", dropout)
        self.num_layers, self.alpha, self.dropout = num_layers, alpha, dropout
        self.lins = nn.ModuleList(
            [
                FeatureLinear(spec.num_features, hidden_channels),
                nn.Linear(hidden_channels, spec.num_classes),
            ]
        )

    def encode(self, x: Rows) -> Float[Tensor, "nodes classes"]:
        """Predict from the features alone."""
        h = F.relu(self.lins[0](feature_dropout(x, self.dropout, self.training)))
        return self.lins[1](dropout(h, self.dropout, self.training))

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src classes"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows classes"] | Rows,
    ) -> Float[Tensor, "dst classes"]:
        """Take one step of the walk, with the share `alpha` of its start `h0`."""
        return sum_with_restart(to_dense(h), h0, block, self.alpha)

    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Return the last layer's states, which are logits."""
        return states[-1]

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the second linear layer: the paper regularises only the first."""
        return list(self.lins[1].parameters())
