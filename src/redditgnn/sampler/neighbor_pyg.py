"""PyG's own NeighborLoader, for comparison. It needs pyg_lib or torch_sparse.

The extension draws from torch's global generator, as dropout does. So it runs in one worker
process, which the loader seeds: a seed gives the same batches again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from redditgnn.errors import ConfigError, require_positive
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import pointers, row_of_edge
from redditgnn.graph.data import GraphData
from redditgnn.sampler.neighbor import check_num_neighbors, sampled_batch


class PygNeighborSampler:
    """The batches of `torch_geometric.loader.NeighborLoader`."""

    has_halo = True
    gives_edge_weight = True

    def __init__(
        self,
        graph: GraphData,
        *,
        num_layers: int,
        device: torch.device,
        seed: int,
        num_neighbors: list[int],
        batch_size: int,
    ) -> None:
        check_num_neighbors(num_neighbors, num_layers)
        require_positive("sampler.batch_size", batch_size)
        _refuse_without_extension()
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader

        self._graph, self._num_layers = graph, num_layers
        edge_index = torch.stack([graph.col.long(), row_of_edge(graph.rowptr)])
        weights = {} if graph.edge_weight is None else {"edge_weight": graph.edge_weight}
        self._degree = graph.weighted_degree
        self._num_targets = int(graph.train_mask.sum())
        self._loader = NeighborLoader(
            Data(edge_index=edge_index, num_nodes=graph.num_nodes, **weights),
            num_neighbors,
            input_nodes=graph.train_mask,
            batch_size=batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(seed),
            num_workers=1,
            persistent_workers=True,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        for data in self._loader:
            source, destination = data.edge_index
            order = (destination * self._graph.num_nodes + data.n_id[source]).argsort()
            counts = torch.bincount(destination, minlength=data.num_nodes)
            batch = sampled_batch(
                self._graph,
                data.n_id,
                pointers(counts),
                source[order].to(torch.int32),
                num_targets=data.batch_size,
                num_layers=self._num_layers,
                loss_weight=len(self) / self._num_targets,
            )
            degree = self._degree.index_select(0, data.n_id)
            weight = None if self._graph.edge_weight is None else data.edge_weight[order]
            yield replace(batch, degree=degree, edge_weight=weight)


def _refuse_without_extension() -> None:
    from torch_geometric import typing as extensions

    if not (extensions.WITH_PYG_LIB or extensions.WITH_TORCH_SPARSE):
        raise ConfigError(
            "sampler=neighbor_pyg needs pyg_lib or torch_sparse, and neither is installed: "
            "pip install pyg_lib -f https://data.pyg.org/whl/torch-"
            f"{torch.__version__.split('+')[0]}+cpu.html, or use sampler=neighbor, "
            "which needs neither"
        )
