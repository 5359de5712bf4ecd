"""The network that self-supervised embeddings train: convolutions, each with norm and activation.

It differs from the models of runs in its end: the last layer gives the embedding and no logits.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.base import Backbone
from redditgnn.model.stack import Norm, make_norm
from redditgnn.nn.convs import LinearGCNConv, LinearSAGEConv

Conv = Literal["gcn", "sage"]
Activation = Literal["relu", "prelu"]
CONVS = {"gcn": LinearGCNConv, "sage": LinearSAGEConv}
ACTIVATIONS = {"relu": nn.ReLU, "prelu": nn.PReLU}


class Encoder(Backbone):
    """Maps features to `spec.num_classes` numbers a node, the columns of the embedding.

    With `ends_linear` the last layer has no norm and no activation.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        conv: Conv,
        hidden_channels: int,
        num_layers: int,
        norm: Norm | None,
        activation: Activation,
        ends_linear: bool,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        widths = [spec.num_features, *[hidden_channels] * (num_layers - 1), spec.num_classes]
        self.convs = nn.ModuleList(CONVS[conv](i, o) for i, o in pairwise(widths))
        ends = [nn.Sequential(make_norm(norm, o), ACTIVATIONS[activation]()) for o in widths[1:]]
        self.ends = nn.ModuleList([*ends[:-1], nn.Identity()] if ends_linear else ends)

    def layer(
        self,
        index: int,
        h: Float[Tensor, "src width"] | Rows,
        block: Block,
        h0: Float[Tensor, "rows _"] | Rows,
    ) -> Float[Tensor, "dst out"]:
        """Compute the rows of `block` from its sources' states `h`. `h0` is not read."""
        return self.ends[index](self.convs[index](h, block))

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE

    def nonreg_parameters(self) -> list[nn.Parameter]:
        """Return no parameters: all are regularised alike."""
        return []
