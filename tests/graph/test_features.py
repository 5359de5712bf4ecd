"""Rows of features are gathered when somebody reads them, and not before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import FeatureTable, Rows

CPU = torch.device("cpu")
TABLE = torch.arange(12.0).view(4, 3)


class CountedTable:
    """A table that is not one tensor, and counts what is gathered."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.num_gathered = x, 0
        self.shape, self.device = x.shape, x.device

    def gather(self, node_ids: Tensor | None) -> Tensor:
        self.num_gathered += len(self.x) if node_ids is None else len(node_ids)
        return self.x if node_ids is None else self.x[node_ids]


@pytest.mark.every_python
def test_rows_are_gathered_once_and_in_the_order_asked_for() -> None:
    table = CountedTable(TABLE)
    assert isinstance(table, FeatureTable)
    rows = Rows(table, torch.tensor([2, 0, 2]))
    assert rows.shape == (3, 3)
    assert len(rows) == 3
    assert table.num_gathered == 0
    assert torch.equal(rows.dense, TABLE[[2, 0, 2]])
    assert rows.dense is rows.dense
    assert table.num_gathered == 3


def test_all_rows_are_the_table_itself() -> None:
    rows = Rows(TABLE)
    assert rows.dense is TABLE
    assert rows[:4] is rows
    assert rows.to(CPU) is rows
    assert torch.equal(rows[:2].dense, TABLE[:2])


def test_some_of_the_rows_are_as_lazy_as_all() -> None:
    table = CountedTable(TABLE)
    first = Rows(table, torch.tensor([3, 1, 0]))[:2]
    assert table.num_gathered == 0
    assert torch.equal(first.dense, TABLE[[3, 1]])
    assert table.num_gathered == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("node_ids", [None, torch.tensor([3, 1])])
def test_stored_halves_are_read_as_float32(dtype: torch.dtype, node_ids: Tensor | None) -> None:
    gathered = Rows(TABLE.to(dtype), node_ids).dense
    assert gathered.dtype == torch.float32
    assert torch.equal(gathered, TABLE if node_ids is None else TABLE[node_ids])


def test_rows_leave_for_another_device_in_the_precision_they_are_stored_in() -> None:
    moved = Rows(TABLE.half(), torch.tensor([3, 1])).to(torch.device("meta"))
    assert moved.device.type == "meta"
    assert moved.shape == (2, 3)
    assert moved.table.dtype == torch.float16


@pytest.mark.parametrize(
    ("model", "read"),
    [
        ("model=sage", "destinations"),
        ("model=sage model.aggr=gcn", "destinations"),
        ("model=gcn", "destinations"),
        ("model=mlp", "destinations"),
        ("model=sage model.input_dropout=0.5", "all"),
        ("model=sage model.aggr=max", "all"),
        ("model=gat", "all"),
    ],
)
def test_a_step_on_sampled_neighbors_gathers_what_its_first_layer_reads_by_itself(
    model: str, read: str, make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = "sampler=neighbor sampler.num_neighbors=[2,2] sampler.batch_size=5"
    wide = "model.num_layers=2 model.hidden_channels=16"
    settings = compose_settings([*sampled.split(), *wide.split(), *model.split()])
    graph = make_graph(num_nodes=60, num_edges=400)
    sampler = settings.build("sampler", graph, num_layers=2, device=CPU, seed=0)
    batch = next(iter(sampler))
    asked: list[int] = []
    monkeypatch.setattr(Rows, "_read_table", counting(Rows._read_table, asked))
    settings.build("model", graph.spec).train()(batch).sum().backward()
    num_rows = {"destinations": batch.num_dst[0], "all": len(batch.node_ids)}[read]
    assert batch.num_dst[0] < len(batch.node_ids)
    assert asked == [num_rows]


def counting(stored: Callable, asked: list[int]) -> Callable:
    """Wrap `Rows._read_table` to tell how many rows it was asked for."""

    def counted(rows: Rows, pinned: bool) -> Tensor:
        asked.append(len(rows))
        return stored(rows, pinned)

    return counted
