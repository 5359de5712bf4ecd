"""GATv2: attention whose ranking of the neighbours depends on the node (Brody et al. 2022).

arXiv:2105.14491. `hidden_channels` is the width over all heads, as in `redditgnn.model.gat`.
"""

from __future__ import annotations

from torch import Tensor, nn

from redditgnn.features import Rows, gathered_unless_sparse
from redditgnn.graph import Block
from redditgnn.kernels.conv import FusedGATv2Conv
from redditgnn.model.gat import GAT


class GATv2(GAT):
    """GAT with the second version's attention; same settings, twice the weights a layer."""

    conv_class = FusedGATv2Conv
    edge_copies = 4

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        """Give the destinations apart: the sources need no queries."""
        h = gathered_unless_sparse(h)
        return conv((h, h[: block.num_dst]), block.csr_with_self_loops)
