"""GATv2: attention whose ranking of the neighbours depends on the node (Brody et al. 2022).

arXiv:2105.14491. `hidden_channels` is the width over all heads, as in `redditgnn.model.gat`.
"""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows, to_dense_unless_sparse
from redditgnn.model.gat import GAT
from redditgnn.model.stack import StackSettings
from redditgnn.nn.attention import FusedGATv2Conv


class GATv2(GAT):
    """GAT with GATv2's attention: the same settings, and twice the weights in each layer."""

    conv_class = FusedGATv2Conv
    edge_copies = 4

    def __init__(
        self,
        spec: GraphSpec,
        *,
        heads: int,
        out_heads: int,
        attention_dropout: int | float,
        negative_slope: int | float,
        **stack: Unpack[StackSettings],
    ) -> None:
        super().__init__(
            spec,
            heads=heads,
            out_heads=out_heads,
            attention_dropout=attention_dropout,
            value_dropout=0.0,  # scores are computed from the same values
            negative_slope=negative_slope,
            **stack,
        )

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        """Apply attention with separate destinations, because the sources need no queries."""
        h = to_dense_unless_sparse(h)
        return conv((h, first_rows(h, block.num_dst)), block.csr_with_self_loops)
