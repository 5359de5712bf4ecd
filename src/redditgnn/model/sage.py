"""GraphSAGE with its four aggregators (Hamilton et al. 2017, arXiv:1706.02216, section 3.3).

It departs from the paper in two ways. Hidden states are not L2-normalised. The node's own state
and its neighbours' are added after one linear map each, as in PyG. The paper concatenates them
before a single one.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch_geometric.nn import SAGEConv
from typing_extensions import Unpack

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphSpec
from redditgnn.graph.features import Rows, first_rows
from redditgnn.kernels.aggregate import BYTES_PER_EDGE
from redditgnn.model.stack import ConvStack, StackSettings
from redditgnn.nn.convs import LinearSAGEConv
from redditgnn.nn.lstm import PackedLSTMAggregation

Aggregator = Literal["mean", "max", "lstm", "gcn"]


class GraphSAGE(ConvStack):
    """A stack of PyG's `SAGEConv`.

    `aggr` is one of:

    - `mean` of the neighbours
    - `max` of the neighbours after a linear layer and ReLU (the paper's pool)
    - `lstm` over the neighbours in the order of the edges
    - `gcn`: the mean over the node and its neighbours, with one weight matrix for both

    Edge weights make both means weighted ones, sum(w x) / sum(w), in which the node itself weighs
    1. PinSage pools so, with visit counts as weights (Ying et al. 2018, arXiv:1806.01973, section
    3.2). PyG's layer takes no weights. The other aggregators take none here either.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        aggr: Aggregator,
        **stack: Unpack[StackSettings],
    ) -> None:
        self.aggr, self.reads_rows = aggr, aggr in ("mean", "gcn")
        self.takes_edge_weight = self.reads_rows
        self._widest = max(spec.num_features, stack["hidden_channels"])
        super().__init__(spec, **stack)

    def convolve(self, conv: nn.Module, h: Tensor | Rows, block: Block) -> Tensor:
        if self.reads_rows:
            return conv(h, block)
        return conv((h, first_rows(h, block.num_dst)), block.edge_index)

    def bytes_per_edge(self) -> int:
        if self.reads_rows:
            return BYTES_PER_EDGE
        messages = {"max": 2, "lstm": 12}[self.aggr]  # copies of a source's state
        return 40 + 4 * self._widest * messages

    def make_conv(self, in_channels: int, out_channels: int, gives_logits: bool) -> SAGEConv:
        if self.aggr == "lstm":
            lstm = PackedLSTMAggregation(in_channels, in_channels)
            return SAGEConv(in_channels, out_channels, aggr=lstm)
        if self.aggr == "max":
            return SAGEConv(in_channels, out_channels, aggr="max", project=True)
        with_self = self.aggr == "gcn"
        return LinearSAGEConv(
            in_channels, out_channels, with_self=with_self, root_weight=not with_self
        )
