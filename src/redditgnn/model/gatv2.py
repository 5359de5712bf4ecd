"""GATv2: attention whose ranking of the neighbours depends on the node (Brody et al. 2022).

arXiv:2105.14491. `hidden_channels` is the width over all heads, as in `redditgnn.model.gat`.
"""

from __future__ import annotations

from torch import Tensor, nn

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows, gathered_unless_sparse
from redditgnn.model.gat import GAT
from redditgnn.model.stack import Jump, Norm
from redditgnn.nn.attention import FusedGATv2Conv


class GATv2(GAT):
    """GAT with the second version's attention; same settings, twice the weights a layer."""

    conv_class = FusedGATv2Conv
    edge_copies = 4

    def __init__(
        self,
        spec: GraphSpec,
        *,
        hidden_channels: int,
        num_layers: int,
        heads: int,
        out_heads: int,
        dropout: int | float,
        input_dropout: int | float,
        attention_dropout: int | float,
        negative_slope: int | float,
        norm: Norm | None,
        residual: bool,
        jk: Jump | None,
    ) -> None:
        super().__init__(
            spec,
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            heads=heads,
            out_heads=out_heads,
            dropout=dropout,
            input_dropout=input_dropout,
            attention_dropout=attention_dropout,
            value_dropout=0.0,  # scores are computed from the same values
            negative_slope=negative_slope,
            norm=norm,
            residual=residual,
            jk=jk,
        )

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        """Give the destinations apart: the sources need no queries."""
        h = gathered_unless_sparse(h)
        return conv((h, first_rows(h, block.num_dst)), block.csr_with_self_loops)
