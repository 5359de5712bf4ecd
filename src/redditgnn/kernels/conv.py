"""PyG's attention layers over a CSR of destinations: same constructor, parameters and numbers.

`FusedGATConv` and `FusedGATv2Conv` are called `conv(h, rowptr, col)`, with self-loops already in
the CSR (`add_self_loops` and `fill_value` mean nothing here) and the destinations the first rows of
`h`. They refuse edge features and `residual`. The attention is one call of
`redditgnn.kernels.attention`.
"""

from __future__ import annotations

from jaxtyping import Float, Int32, Int64
from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv

from redditgnn.kernels.attention import gat_attention, gatv2_attention


class FusedGATConv(GATConv):
    """Graph attention (Velickovic et al. 2018, arXiv:1710.10903); arguments as in PyG's GATConv."""

    def forward(
        self,
        h: Float[Tensor, "src in_channels"],
        rowptr: Int64[Tensor, " dst_plus_1"],
        col: Int32[Tensor, " edges"],
    ) -> Float[Tensor, "dst out_channels"]:
        """Return the new states of the destinations, the first `len(rowptr) - 1` rows of `h`."""
        num_dst = len(rowptr) - 1
        value = self.lin(h).view(-1, self.heads, self.out_channels)
        out = gat_attention(
            value,
            (value * self.att_src).sum(-1),
            (value[:num_dst] * self.att_dst).sum(-1),
            rowptr,
            col,
            negative_slope=self.negative_slope,
            dropout=self.dropout if self.training else 0.0,
        )
        return _merge_heads(self, out)


class FusedGATv2Conv(GATv2Conv):
    """Dynamic attention (Brody et al. 2022, arXiv:2105.14491); arguments as in PyG's GATv2Conv."""

    def forward(
        self,
        h: Float[Tensor, "src in_channels"],
        rowptr: Int64[Tensor, " dst_plus_1"],
        col: Int32[Tensor, " edges"],
    ) -> Float[Tensor, "dst out_channels"]:
        """Return the new states of the destinations, the first `len(rowptr) - 1` rows of `h`."""
        shape = (-1, self.heads, self.out_channels)
        out = gatv2_attention(
            self.lin_l(h).view(shape),
            self.lin_r(h[: len(rowptr) - 1]).view(shape),
            self.att[0],
            rowptr,
            col,
            negative_slope=self.negative_slope,
            dropout=self.dropout if self.training else 0.0,
        )
        return _merge_heads(self, out)


def _merge_heads(conv: GATConv | GATv2Conv, out: Float[Tensor, "dst heads channels"]) -> Tensor:
    assert conv.res is None, "residual belongs to the stack of layers, not to the layer"
    assert conv.lin_edge is None, "edge features are not supported"
    merged = out.flatten(1) if conv.concat else out.mean(1)
    return merged if conv.bias is None else merged + conv.bias
