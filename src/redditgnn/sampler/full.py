"""The whole graph as one batch: full-batch training, one step an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from redditgnn.graph import Batch, GraphData


class FullSampler:
    """One batch with every node; it stays on the device."""

    has_halo = False
    generators: tuple[torch.Generator, ...] = ()

    def __init__(
        self, graph: GraphData, *, num_layers: int, device: torch.device, seed: int
    ) -> None:
        graph = graph.to(device)
        mask = graph.train_mask
        self._batch = Batch(
            features=graph.rows(),
            y=graph.y,
            loss_weight=mask / mask.sum(),
            node_ids=torch.arange(graph.num_nodes, device=device),
            rowptr=graph.rowptr,
            col=graph.col,
            degree=graph.degree,
            num_dst=(graph.num_nodes,) * num_layers,
            num_edges=(graph.num_edges,) * num_layers,
        )

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        yield self._batch
