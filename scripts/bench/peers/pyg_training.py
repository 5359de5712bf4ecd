"""The training and inference that a user of PyG writes, as its examples/reddit.py has them.

Same layers, weights, dropout, optimizer, fanouts and batch size as ours get. Batches come from
NeighborLoader with worker processes; every layer computes all nodes of a batch.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric import typing as extensions
from torch_geometric.data import Data
from torch_geometric.loader import NeighborLoader
from torch_geometric.nn import GATConv, GATv2Conv, SAGEConv
from torch_geometric.transforms import ToSparseTensor

from redditgnn.graph.data import GraphData
from scripts.bench.peers.pyg_layers import edge_index

Convolutions = Callable[[Sequence[int]], list[nn.Module]]
HEADS = 8
Choice = TypeVar("Choice")


def sage_convs(widths: Sequence[int]) -> list[nn.Module]:
    """Two SAGEConv, as in the example."""
    first, hidden, last = widths
    return [SAGEConv(first, hidden), SAGEConv(hidden, last)]


def gat_convs(widths: Sequence[int], *, dropout: float = 0.0) -> list[nn.Module]:
    """Two GATConv: 8 heads, concatenated; one head that gives the logits.

    `dropout` is of the attention coefficients.
    """
    first, hidden, last = widths
    return [
        GATConv(first, hidden // HEADS, HEADS, dropout=dropout),
        GATConv(hidden, last, concat=False, dropout=dropout),
    ]


def gatv2_convs(widths: Sequence[int]) -> list[nn.Module]:
    """The same of GATv2Conv."""
    first, hidden, last = widths
    return [GATv2Conv(first, hidden // HEADS, HEADS), GATv2Conv(hidden, last, concat=False)]


class PygModel(nn.Module):
    """Convolutions with an activation and dropout between them."""

    def __init__(
        self, convs: list[nn.Module], activation: Callable[[Tensor], Tensor], dropout: float
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self._activation, self._dropout = activation, dropout

    def forward(self, x: Tensor, adjacency: Any) -> Tensor:
        """Return the logits of every node of a batch."""
        for conv in self.convs[:-1]:
            x = F.dropout(self._activation(conv(x, adjacency)), self._dropout, self.training)
        return self.convs[-1](x, adjacency)

    @torch.no_grad()
    def inference(self, x_all: Tensor, loader: NeighborLoader, device: torch.device) -> Tensor:
        """Compute all nodes layer by layer, each from all of its neighbours."""
        self.eval()
        for number, conv in enumerate(self.convs, start=1):
            rows = []
            for batch in loader:
                x = conv(x_all[batch.n_id.to(x_all.device)].to(device), adjacency_of(batch, device))
                x = x[: batch.batch_size]
                rows.append((x if number == len(self.convs) else self._activation(x)).cpu())
            x_all = torch.cat(rows)
        return x_all


def adjacency_of(batch: Data, device: torch.device) -> Any:
    """Return the edges of a batch in the form that its loader gives them."""
    return (batch.adj_t if "adj_t" in batch else batch.edge_index).to(device)


def pyg_data(graph: GraphData) -> Data:
    """Return the graph as PyG's loaders take it. Its edges are sorted, which saves them minutes."""
    return Data(x=graph.dense_x, y=graph.y, edge_index=edge_index(graph), num_nodes=graph.num_nodes)


def sparse_transform() -> ToSparseTensor:
    """Turn a batch's edges into the fastest adjacency that is installed."""
    layout = None if extensions.WITH_TORCH_SPARSE else torch.sparse_csr
    return ToSparseTensor(layout=layout)


class PygTraining:
    """Epochs of mini-batch training over `NeighborLoader`.

    Attributes:
        losses: Mean training loss of every epoch so far.
    """

    def __init__(
        self,
        graph: GraphData,
        data: Data,
        model: PygModel,
        *,
        num_neighbors: list[int],
        batch_size: int,
        num_workers: int,
        lr: float,
        device: torch.device,
        transform: ToSparseTensor | None = None,
    ) -> None:
        self._model, self._device = model.to(device), device
        self._optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self._loader = NeighborLoader(
            copy.copy(data).to(device, "x", "y"),
            num_neighbors,
            input_nodes=graph.train_mask,
            batch_size=batch_size,
            shuffle=True,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            is_sorted=True,
            transform=transform,
        )
        self.losses: list[float] = []

    def epoch(self) -> None:
        """Train on every batch once."""
        self._model.train()
        losses = []
        for batch in self._loader:
            self._optimizer.zero_grad()
            logits = self._model(batch.x.to(self._device), adjacency_of(batch, self._device))
            y = batch.y[: batch.batch_size].to(self._device)
            loss = F.cross_entropy(logits[: batch.batch_size], y)
            loss.backward()
            self._optimizer.step()
            losses.append(loss.detach())
        self.losses.append(float(torch.stack(losses).mean()))


class PygFullTraining:
    """Epochs of one step over the whole graph.

    Attributes:
        losses: Training loss of every epoch so far.
    """

    def __init__(
        self, graph: GraphData, model: PygModel, *, lr: float, device: torch.device
    ) -> None:
        self._model, self._data = model.to(device), pyg_data(graph).to(device)
        self._train_mask = graph.train_mask.to(device)
        self._optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.losses: list[float] = []

    def epoch(self) -> None:
        """Train on every training node once."""
        self._model.train()
        self._optimizer.zero_grad()
        logits = self._model(self._data.x, self._data.edge_index)
        mask = self._train_mask
        loss = F.cross_entropy(logits[mask], self._data.y[mask])
        loss.backward()
        self._optimizer.step()
        self.losses.append(float(loss))


def inference_loader(
    data: Data, *, batch_size: int, num_workers: int, sparse: bool
) -> NeighborLoader:
    """Return the loader of all nodes with all their neighbours; it leaves the features alone."""
    loader = NeighborLoader(
        copy.copy(data),
        [-1],
        input_nodes=None,
        batch_size=batch_size,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        is_sorted=True,
        transform=sparse_transform() if sparse else None,
    )
    del loader.data.x, loader.data.y
    return loader


def pyg_can_sample() -> bool:
    """Whether PyG's loaders have one of the packages that they need; print it if not."""
    if extensions.WITH_TORCH_SPARSE or extensions.WITH_PYG_LIB:
        return True
    print("PyG's loaders need torch_sparse or pyg_lib, neither of which is installed")
    return False


def best_num_workers(
    epoch_with: Callable[[int], Callable[[], None]], num_cores: int
) -> tuple[int, str]:
    """Time the second epoch with 0, 1, 2, 4, ... workers.

    Returns:
        The number that is fastest, and what was measured, as text.
    """
    numbers = [0, *(2**power for power in range(num_cores.bit_length()))]
    best, text = fastest(epoch_with, numbers)
    return best, f"num_workers {text}"


def fastest(
    epoch_with: Callable[[Choice], Callable[[], None]], choices: Sequence[Choice]
) -> tuple[Choice, str]:
    """Time the second epoch with each choice; return the fastest one, and the times as text."""
    seconds = {}
    for choice in choices:
        epoch = epoch_with(choice)
        epoch()  # starts the workers
        start = time.perf_counter()
        epoch()
        seconds[choice] = time.perf_counter() - start
        del epoch
    text = ", ".join(f"{choice}: {spent:.3g} s" for choice, spent in seconds.items())
    return min(seconds, key=seconds.__getitem__), text
