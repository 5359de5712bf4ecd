"""GCN: symmetric normalisation with self-loops (Kipf and Welling 2017, arXiv:1609.02907).

The normalisation is the batch's (`Block.gcn_adjacency`), by the degrees that its sampler gives:
those of the whole graph, so that a node's state does not depend on the batch that it is computed
in, or those within the batch for Cluster-GCN.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from redditgnn.graph import Block
from redditgnn.model.stack import ConvStack


class GCN(ConvStack):
    """A stack of PyG's `GCNConv`."""

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        return GCNConv(in_channels, out_channels, normalize=False)

    def convolve(self, conv: nn.Module, h: Tensor, block: Block) -> Tensor:
        return conv(h, block.gcn_adjacency)

    def bytes_per_edge(self) -> int:
        return 40  # building the sparse matrix; its product with h materialises nothing
