"""The past to train on and the windows to test on, against their definitions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData
from redditgnn.graph.temporal import TemporalSplit
from redditgnn.graph.timeline import Window

MakeGraph = Callable[..., GraphData]
KEYS: dict[str, Any] = {
    "until": 9,
    "validation": 4,
    "windows": 3,
    "history": None,
    "repeated": "keep",
}


@pytest.fixture
def nodes(make_graph: MakeGraph) -> GraphData:
    """Twenty nodes that came one after another, in an order of their own."""
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    return replace(make_graph(), node_time=order)


@pytest.fixture
def contacts(make_graph: MakeGraph) -> GraphData:
    """Contacts at the times 0 to 19, in both directions."""
    graph = make_graph()
    row = CSR(graph.rowptr, graph.col, 20).row
    low, high = torch.minimum(row, graph.col.long()), torch.maximum(row, graph.col.long())
    return replace(graph, edge_time=(7 * low + 3 * high) % 20)


def ends(graph: GraphData) -> set[tuple[int, int, float]]:
    """The edges by the features of their ends, which no cut changes, and their times."""
    row = CSR(graph.rowptr, graph.col, graph.num_nodes).row
    times = [0] * len(row) if graph.edge_time is None else graph.edge_time.tolist()
    first = graph.x[:, 0].tolist()
    pairs = zip(graph.col.tolist(), row.tolist(), times, strict=True)
    return {(first[i], first[j], t) for i, j, t in pairs}


def test_nodes_train_validate_and_test_by_their_time(nodes: GraphData) -> None:
    split = TemporalSplit(nodes, **KEYS)
    time = nodes.node_time
    assert torch.equal(split.graph.train_mask, time <= 9)
    assert torch.equal(split.graph.val_mask, (time > 9) & (time <= 13))
    assert torch.equal(split.graph.test_mask, time > 13)
    assert split.tests == [(14, 16), (16, 18), (18, 20)]
    tested = [split.at("test", window).nodes for window in split.tests]
    assert torch.equal(torch.stack(tested).sum(0), split.graph.test_mask.long())
    assert torch.equal(tested[1], (time == 16) | (time == 17))


def test_nodes_without_a_label_are_in_no_split_and_stay_in_the_graph(nodes: GraphData) -> None:
    y = nodes.y.clone()
    y[nodes.node_time == 3] = -1
    split = TemporalSplit(replace(nodes, y=y), **KEYS)
    assert split.train_graph.num_nodes == 10
    assert int(split.train_graph.train_mask.sum()) == 9


def test_training_sees_the_nodes_of_the_past_and_edges_among_them(nodes: GraphData) -> None:
    graph = TemporalSplit(nodes, **KEYS).train_graph
    assert sorted(graph.node_time.tolist()) == list(range(10))
    assert ends(graph) == ends(nodes.subgraph(nodes.node_time <= 9))
    assert not (graph.val_mask | graph.test_mask).any()


def test_a_window_is_answered_from_the_edges_up_to_its_end(nodes: GraphData) -> None:
    split = TemporalSplit(nodes, **KEYS)
    assert ends(split.at("test", Window(14, 16)).graph) == ends(
        nodes.subgraph(nodes.node_time <= 15)
    )


@pytest.mark.parametrize("history", [None, 5, "5s", "50%"])
def test_contacts_are_seen_within_the_history(contacts: GraphData, history: Any) -> None:
    split = TemporalSplit(contacts, **KEYS | {"history": history})
    past = sorted(t for t in contacts.edge_time.tolist() if t <= 9)
    first = {None: 0, 5: 5, "5s": 5, "50%": past[len(past) // 2]}[history]
    wanted = {edge for edge in ends(contacts) if first <= edge[2] <= 9}
    assert ends(split.train_graph) == wanted
    assert split.train_graph.num_nodes == 20
    assert torch.equal(split.train_graph.train_mask, contacts.train_mask)


def test_only_nodes_with_a_contact_in_the_history_are_scored(contacts: GraphData) -> None:
    test = TemporalSplit(contacts, **KEYS | {"history": 1}).at("test", Window(14, 16))
    seen = contacts.edge_time == 15
    row = CSR(contacts.rowptr, contacts.col, 20).row
    active = torch.zeros(20, dtype=torch.bool)
    active[row[seen]] = True
    assert test.last == 15
    assert torch.equal(test.nodes, contacts.test_mask & active)
    assert 0 < int(test.nodes.sum()) < int(contacts.test_mask.sum())


def test_merged_contacts_count_once(contacts: GraphData) -> None:
    double = replace(
        contacts,
        rowptr=2 * contacts.rowptr,
        col=contacts.col.repeat_interleave(2),
        edge_time=contacts.edge_time.repeat_interleave(2),
    )
    kept = TemporalSplit(double, **KEYS).train_graph
    merged = TemporalSplit(double, **KEYS | {"repeated": "merge"}).train_graph
    assert kept.num_edges == 2 * merged.num_edges
    assert merged.edge_weight is None
    assert {edge[:2] for edge in ends(kept)} == {edge[:2] for edge in ends(merged)}


@pytest.mark.parametrize("validation", [4, "20%"])
def test_before_a_later_window_the_past_is_longer_and_validation_as_long(
    nodes: GraphData, validation: int | str
) -> None:
    first = TemporalSplit(nodes, **KEYS | {"validation": validation})
    _ = first.train_graph
    split, time = first.before(Window(16, 18)), nodes.node_time
    assert (split.until, split.validation, split.tests) == (11, (12, 16), [(16, 18)])
    assert ends(split.train_graph) == ends(nodes.subgraph(time <= 11))
    assert torch.equal(split.graph.train_mask, time <= 11)
    assert torch.equal(split.graph.val_mask, (time > 11) & (time < 16))
    window = Window(16, 18)
    assert torch.equal(split.at("test", window).nodes, first.at("test", window).nodes)
    assert (first.until, len(first.tests)) == (9, 3)


def test_a_validation_before_a_later_window_has_a_time_of_its_own(nodes: GraphData) -> None:
    years = replace(nodes, node_time=nodes.node_time // 5)
    split = TemporalSplit(years, **KEYS | {"until": 0, "validation": "10%", "windows": 2})
    later = split.before(split.tests[1])
    assert (later.until, later.validation, later.tests) == (1, (2, 3), [(3, 4)])


def test_updates_without_a_validation_are_refused_before_any_training(contacts: GraphData) -> None:
    low = torch.minimum(CSR(contacts.rowptr, contacts.col, 20).row, contacts.col.long())
    time = torch.where(low == 0, 13, contacts.edge_time)  # node 0 has no other contact
    early = torch.arange(20) == 0
    graph = replace(contacts, edge_time=time, val_mask=early, test_mask=~early)
    split = TemporalSplit(graph, **KEYS | {"history": 1})
    assert split.validation_test().nodes.any()
    with pytest.raises(ConfigError, match="no validation node of dataset=random0 has an edge in"):
        split.check_updates()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"until": -1}, "protocol.until=-1 ends at -1, and there must be events before and after"),
        ({"until": 19}, "the times of this graph are 0 to 19; choose another"),
        ({"validation": 10}, "protocol.validation=10 ends at 19, and there must be events before"),
        ({"validation": "0%"}, "protocol.validation must be above 0% and at most 100%, got 0%"),
        ({"windows": 7}, "protocol.windows must be at most 6, the number of different times there"),
        ({"until": "late"}, "protocol.until must be a positive duration with its unit"),
        ({"history": -3}, "protocol.history must be positive, got -3"),
    ],
)
def test_a_wrong_time_is_refused_in_one_line(nodes: GraphData, keys: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        _ = TemporalSplit(nodes, **KEYS | keys).train_graph
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_graph_without_times_or_labels_of_a_part_is_refused(nodes: GraphData) -> None:
    with pytest.raises(DataError, match="dataset=random0 has no times of nodes or edges"):
        TemporalSplit(replace(nodes, node_time=None), **KEYS)
    y = torch.where(nodes.node_time > 13, -1, nodes.y)
    with pytest.raises(ConfigError, match="protocol.validation leaves no labelled test node in"):
        TemporalSplit(replace(nodes, y=y), **KEYS)


def test_windows_in_which_nobody_is_scored_are_left_out_or_refused(contacts: GraphData) -> None:
    late = contacts.edge_time >= 14
    row = CSR(contacts.rowptr, contacts.col, 20).row
    seen = torch.zeros(20, dtype=torch.bool)
    seen[row[late & (contacts.edge_time < 16)]] = True
    only = replace(contacts, test_mask=seen, val_mask=~seen)
    split = TemporalSplit(only, **KEYS | {"history": 1})
    assert 0 < len(list(split.scored_windows())) <= 3
    lonely = torch.zeros(20, dtype=torch.bool)
    lonely[(contacts.degree == 0).nonzero().view(-1)[0]] = True
    for masks, ask in (
        ({"val_mask": lonely}, TemporalSplit.validation_test),
        ({"test_mask": lonely}, lambda split: list(split.scored_windows())),
    ):
        with pytest.raises(ConfigError, match="has an edge in the history of its window; choose"):
            ask(TemporalSplit(replace(contacts, **masks), **KEYS))
