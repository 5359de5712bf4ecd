"""The whole graph as one batch: full-batch training, one step an epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.sampler.base import CudaGraph, IsChosen, every_batch, resolve_capture

FEW_EDGES = 2**20
"""Up to here `auto` captures: launching a kernel takes longer than the kernel itself.

On larger graphs little time is saved. A captured step also keeps its memory to itself, and
evaluation then lacks it.
"""


class FullSampler:
    """One batch with every node, which stays on the device.

    Attributes:
        cuda_graph: Whether to capture the training step: `auto` on CUDA, for graphs of at most
            `FEW_EDGES`.
    """

    has_halo = False
    gives_edge_weight = True
    generators: tuple[torch.Generator, ...] = ()
    generator = None

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        cuda_graph: CudaGraph,
    ) -> None:
        self.cuda_graph = resolve_capture(
            cuda_graph,
            possible=device.type == "cuda",
            worth_it=graph.num_edges <= FEW_EDGES,
            needs="device=cuda",
        )
        graph = graph.to(device)
        mask = graph.train_mask
        self._batch = Batch(
            features=graph.rows(),
            y=graph.y,
            loss_weight=mask / mask.sum(),
            node_ids=torch.arange(graph.num_nodes, device=device),
            rowptr=graph.rowptr,
            col=graph.col,
            degree=graph.weighted_degree,
            num_dst=(graph.num_nodes,) * num_layers,
            num_edges=(graph.num_edges,) * num_layers,
            edge_weight=graph.edge_weight,
        )

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        return self.select(every_batch)

    def select(self, is_chosen: IsChosen) -> Iterator[Batch]:
        """Yield the one batch if it is chosen."""
        if is_chosen(0):
            yield self._batch

    def epoch(self) -> tuple[Int64[Tensor, "1 nodes"], Float[Tensor, "1 nodes"]]:
        """Return the targets of the one batch, and their loss weights."""
        return self._batch.node_ids[None], self._batch.loss_weight[None]

    def draw(self, targets: Tensor, loss_weight: Tensor) -> Batch:
        """Return the one batch, which has these targets."""
        return self._batch
