"""A multilayer perceptron on the features: what a score is worth without the edges."""

from __future__ import annotations

from torch import Tensor, nn

from redditgnn.features import Rows, first_rows
from redditgnn.graph import Block
from redditgnn.kernels.feature_linear import FeatureLinear
from redditgnn.model.stack import ConvStack


class MLP(ConvStack):
    """Linear layers and ReLU; runs in the same loop as the graph models and ignores the edges."""

    reads_rows = True

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        return FeatureLinear(in_channels, out_channels)

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        return conv(first_rows(h, block.num_dst))

    def bytes_per_edge(self) -> int:
        return 4
