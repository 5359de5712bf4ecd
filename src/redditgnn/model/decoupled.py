"""A perceptron that maps each node's own features to logits: what APPNP and DAGNN propagate."""

from __future__ import annotations

from typing import TypedDict

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from redditgnn.errors import require_positive, require_probability
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.kernels.dropout import dropout
from redditgnn.model.base import Backbone
from redditgnn.nn.feature_linear import FeatureLinear, feature_dropout


class DecoupledSettings(TypedDict):
    """The keys of the perceptron, and the number of steps of propagation."""

    hidden_channels: int
    num_layers: int
    dropout: int | float


class Decoupled(Backbone):
    """Two linear layers for each node. `layer` is one of `num_layers` steps along the edges."""

    takes_edge_weight = True

    def __init__(self, spec: GraphSpec, **settings: Unpack[DecoupledSettings]) -> None:
        super().__init__()
        hidden_channels = settings["hidden_channels"]
        require_positive("model.hidden_channels", hidden_channels)
        require_positive("model.num_layers", settings["num_layers"])
        require_probability("model.dropout", settings["dropout"])
        self.num_layers, self.dropout = settings["num_layers"], settings["dropout"]
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

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE
