"""GIN: sums, which distinguish multisets of neighbours (Xu et al. 2019, arXiv:1810.00826)."""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.stack import BatchNorm, ConvStack, StackSettings
from redditgnn.nn.convs import LinearGINConv


class GIN(ConvStack):
    """A stack of PyG's `GINConv`, each with a perceptron of two layers and batch normalisation.

    `train_eps`: the extra weight of a node's own state is learnt instead of 0.
    """

    reads_rows = True
    takes_edge_weight = True

    def __init__(
        self,
        spec: GraphSpec,
        *,
        train_eps: bool,
        **stack: Unpack[StackSettings],
    ) -> None:
        self._inside, self._train_eps = stack["hidden_channels"], train_eps
        super().__init__(spec, **stack)

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        perceptron = nn.Sequential(
            nn.Linear(in_channels, self._inside),
            BatchNorm(self._inside),
            nn.ReLU(),
            nn.Linear(self._inside, out_channels),
        )
        return LinearGINConv(perceptron, train_eps=self._train_eps)

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        return conv(h, block)

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE
