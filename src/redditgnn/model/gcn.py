"""GCN: symmetric normalisation with self-loops (Kipf and Welling 2017, arXiv:1609.02907).

The normalisation uses the degrees that the batch's sampler gives. These are those of the whole
graph, so a node's state does not depend on its batch. Only Cluster-GCN uses those within the batch.
"""

from __future__ import annotations

from torch import Tensor, nn

from redditgnn.graph.batch import Block
from redditgnn.graph.features import Rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.stack import ConvStack
from redditgnn.nn.convs import LinearGCNConv


class GCN(ConvStack):
    """A stack of PyG's `GCNConv`."""

    reads_rows = True
    takes_edge_weight = True

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        return LinearGCNConv(in_channels, out_channels)

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        return conv(h, block)

    def bytes_per_edge(self) -> int:
        return BYTES_PER_EDGE
