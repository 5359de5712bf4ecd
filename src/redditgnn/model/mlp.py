"""A multilayer perceptron on the features: the baseline without edges."""

from __future__ import annotations

from torch import Tensor, nn

from redditgnn.graph.batch import Block
from redditgnn.graph.features import Rows, first_rows
from redditgnn.model.stack import ConvStack
from redditgnn.nn.feature_linear import FeatureLinear


class MLP(ConvStack):
    """Linear layers and ReLU. It runs in the same loop as the graph models and ignores edges."""

    reads_rows = True
    takes_edge_weight = True  # it reads no edges

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        return FeatureLinear(in_channels, out_channels)

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        return conv(first_rows(h, block.num_dst))

    def bytes_per_edge(self) -> int:
        return 4
