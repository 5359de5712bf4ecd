"""GCNII: deep GCNs with initial residuals (Chen et al. 2020, arXiv:2007.02133).

Each layer mixes a share `alpha` of the encoded features into its aggregates. It multiplies by a mix
of the identity and its weights, which have the share log(theta / layer + 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from redditgnn.errors import require_positive, require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows, to_dense
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.kernels.dropout import dropout
from redditgnn.model.base import Backbone
from redditgnn.model.stack import Norm, make_norm
from redditgnn.nn.convs import LinearGCN2Conv
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class GCN2(Backbone):
    """PyG's `GCN2Conv`, `num_layers` times, between two linear layers.

    `shared_weights`: one weight matrix for both terms of a layer. The paper's GCNII* has two.
    `residual` adds a layer's input to the output of its convolution, as GNNAutoScale does on PPI.
    """

    reads_h0 = True
    decodes = True
    takes_edge_weight = True

    def __init__(
        self,
        spec: GraphSpec,
        *,
        hidden_channels: int,
        num_layers: int,
        alpha: int | float,
        theta: int | float,
        shared_weights: bool,
        dropout: int | float,
        input_dropout: int | float,
        norm: Norm | None,
        residual: bool,
    ) -> None:
        super().__init__()
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_layers", num_layers)
        require_probability("model.alpha", alpha)
        require_positive("model.theta", theta)
        require_probability("model.dropout", dropout)
        require_probability("model.input_dropout", input_dropout)
        self.num_layers, self.residual = num_layers, residual
        self.dropout, self.input_dropout = dropout, input_dropout
        self.lins = nn.ModuleList(
            [
                FeatureLinear(spec.num_features, hidden_channels),
                nn.Linear(hidden_channels, spec.num_classes),
            ]
        )
        self.convs = nn.ModuleList(
            LinearGCN2Conv(hidden_channels, alpha, theta, number, shared_weights)
            for number in range(1, num_layers + 1)
        )
        self.norms = nn.ModuleList(make_norm(norm, hidden_channels) for _ in self.convs)

    def encode(self, x: Rows) -> Float[Tensor, "nodes hidden"]:
        """Map features to the states that every layer reads."""
        return F.relu(self.lins[0](feature_dropout(x, self.input_dropout, self.training)))

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src hidden"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows hidden"] | Rows,
    ) -> Float[Tensor, "dst hidden"]:
        """Propagate once. `h0` has no dropout."""
        h = dropout(to_dense(h), self.dropout, self.training)
        out = self.norms[index](self.convs[index](h, h0, block))
        return (out + first_rows(h, block.num_dst) if self.residual else out).relu_()

    def decode(self, states: Sequence[Float[Tensor, "nodes _"]]) -> Float[Tensor, "nodes classes"]:
        """Map the last layer's states to logits."""
        return self.lins[1](dropout(states[-1], self.dropout, self.training))

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return the linear layers, which the paper decays less than the convolutions."""
        return list(self.lins.parameters())
