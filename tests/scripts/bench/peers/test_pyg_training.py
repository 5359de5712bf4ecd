"""PyG's training does the same work as ours, over a loader that gives the whole graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.data import Data

from redditgnn.graph.data import GraphData
from scripts.bench.cases.training import OurTraining
from scripts.bench.peers import pyg_training
from scripts.bench.peers.pyg_training import (
    PygModel,
    PygTraining,
    inference_loader,
    pyg_data,
    sage_convs,
    sparse_transform,
)
from scripts.bench.timing.memory import CPU

MakeGraph = Callable[..., GraphData]
SHARED = ["model=sage", "model.hidden_channels=8", "model.dropout=0.0", "sampler=full"]
SHARED += ["optimizer.lr=0.01", "optimizer.weight_decay=0.0"]


class WholeGraph:
    """One batch of all nodes, `input_nodes` first: a NeighborLoader that needs no extension."""

    def __init__(
        self,
        data: Data,
        num_neighbors: list[int],
        *,
        input_nodes: Tensor | None,
        transform: Callable[[Data], Data] | None = None,
        **_: Any,
    ) -> None:
        self.data, self._transform = data, transform
        everything = torch.ones(data.num_nodes, dtype=torch.bool)
        self._targets = everything if input_nodes is None else input_nodes

    def __iter__(self) -> Iterator[Data]:
        order = torch.cat([self._targets.nonzero().view(-1), (~self._targets).nonzero().view(-1)])
        batch = copy.copy(self.data)
        batch.n_id, batch.batch_size = order, int(self._targets.sum())
        batch.edge_index = order.argsort()[self.data.edge_index]
        for name in ("x", "y"):
            if name in self.data:
                batch[name] = self.data[name][order]
        yield batch if self._transform is None else self._transform(batch)


@pytest.fixture(autouse=True)
def whole_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyg_training, "NeighborLoader", WholeGraph)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # of ToSparseTensor
@pytest.mark.parametrize("sparse", [False, True])
def test_the_same_weights_have_the_same_losses_in_every_epoch(
    sparse: bool, make_graph: MakeGraph, tmp_path: Path
) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    ours = OurTraining(graph, SHARED, CPU, tmp_path)
    model = PygModel(sage_convs((graph.x.size(1), 8, graph.num_classes)), F.relu, dropout=0.0)
    model.convs.load_state_dict(ours.model.convs.state_dict())
    theirs = PygTraining(
        graph,
        pyg_data(graph),
        model,
        num_neighbors=[-1, -1],
        batch_size=60,
        num_workers=0,
        lr=0.01,
        device=CPU,
        transform=sparse_transform() if sparse else None,
    )
    for _ in range(5):
        ours.epoch()
        theirs.epoch()
    assert theirs.losses[-1] < theirs.losses[0]
    assert theirs.losses == pytest.approx(ours.losses, rel=1e-4)


def test_inference_is_the_forward_pass_of_all_nodes(make_graph: MakeGraph) -> None:
    graph = make_graph(num_nodes=60, num_edges=400)
    data = pyg_data(graph)
    model = PygModel(sage_convs((graph.x.size(1), 8, graph.num_classes)), F.relu, dropout=0.5)
    loader = inference_loader(data, batch_size=60, num_workers=0, sparse=False)
    assert "x" not in loader.data
    logits = model.inference(graph.x, loader, CPU)
    with torch.no_grad():
        torch.testing.assert_close(logits, model.eval()(graph.x, data.edge_index))
