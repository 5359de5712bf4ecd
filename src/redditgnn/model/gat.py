"""GAT (Velickovic et al. 2018, arXiv:1710.10903).

It departs from the paper in one way: `hidden_channels` is the width of a hidden layer over all
heads, as in PyG's `GAT`. So models with more heads have no more parameters.
"""

from __future__ import annotations

from torch import Tensor, nn
from typing_extensions import Unpack

from redditgnn.errors import require_probability
from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, to_dense_unless_sparse
from redditgnn.kernels.attention.operator import attention_bytes_per_edge, require_slope
from redditgnn.model.stack import ConvStack, StackSettings, check_heads
from redditgnn.nn.attention import FusedGATConv


class GAT(ConvStack):
    """A stack of attention layers. Hidden heads are concatenated, those of the last averaged."""

    activation = staticmethod(nn.functional.elu)
    reads_rows = True
    attends = True
    conv_class: type[nn.Module] = FusedGATConv
    edge_copies = 2
    """The number of tensors of size edges x heads x channels that reference attention holds."""

    def __init__(
        self,
        spec: GraphSpec,
        *,
        heads: int,
        out_heads: int,
        attention_dropout: int | float,
        value_dropout: int | float,
        negative_slope: int | float,
        **stack: Unpack[StackSettings],
    ) -> None:
        check_heads(stack["hidden_channels"], heads, out_heads)
        require_probability("model.attention_dropout", attention_dropout)
        require_probability("model.value_dropout", value_dropout)
        require_slope("model.negative_slope", negative_slope)
        self._heads, self._out_heads = heads, out_heads
        self._attention = {"dropout": attention_dropout, "negative_slope": negative_slope}
        if value_dropout:
            self._attention["value_dropout"] = value_dropout
        self._widest = max(stack["hidden_channels"], out_heads * spec.num_classes)
        super().__init__(spec, **stack)

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> nn.Module:
        heads = self._out_heads if gives_logits else self._heads
        return self.conv_class(
            in_channels,
            out_channels if gives_logits else out_channels // heads,
            heads,
            concat=not gives_logits,
            **self._attention,
        )

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        return conv(to_dense_unless_sparse(h), block.csr_with_self_loops)

    def bytes_per_edge(self) -> int:
        rows = next(self.parameters()).new_empty(0, self._heads, self._widest // self._heads)
        return attention_bytes_per_edge(rows, self.edge_copies)
