"""What GraphSAINT counts to undo the unequal chances of nodes and edges."""

from __future__ import annotations

import torch

from redditgnn.graph import GraphData


class Inclusions:
    """How many of the subgraphs drawn so far contain each node and each edge.

    Attributes:
        of_edge: In the order of `graph.col`.
    """

    def __init__(self, graph: GraphData) -> None:
        self.of_node = torch.zeros(graph.num_nodes, dtype=torch.int32)
        self.of_edge = torch.zeros(graph.num_edges, dtype=torch.int32)
