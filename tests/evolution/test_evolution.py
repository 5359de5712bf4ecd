"""A graph is described in each snapshot, and its communities are followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from redditgnn.config.compose import compose_experiment
from redditgnn.dataset.statistics import edge_statistics
from redditgnn.errors import DataError
from redditgnn.evolution.evolution import Evolution, evolve
from redditgnn.evolution.settings import EvolveSettings
from redditgnn.evolution.shuffling import shuffled
from redditgnn.evolution.stages import stage_of
from redditgnn.evolution.wording import describe_changes
from redditgnn.graph.data import GraphData
from redditgnn.graph.timeline import Timeline, Window
from tests.evolution.graphs import graph_of, planted

SBM = ["dataset=sbm", "dataset.scale=0.003", "dataset.num_features=4", "dataset.num_classes=4"]
KEYS = {"mode": "snapshots", "task": "communities", "resolution": 1.0, "threshold": 0.5, "seed": 0}


def evolution_of(
    graph: GraphData, windows: int | Sequence[tuple[int, int]] = 5, **changes: Any
) -> Evolution:
    """Follow a graph through so many windows, or these."""
    settings = EvolveSettings(windows=5, **{**KEYS, **changes})
    if isinstance(windows, int):
        return evolve(graph, Timeline(graph).windows("evolve.windows", windows), settings)
    return evolve(graph, [Window(*pair) for pair in windows], settings)


def groups(*sizes: int, first: int = 0) -> list[range]:
    """Consecutive groups of nodes of these sizes."""
    ends = np.cumsum((first, *sizes)).tolist()
    return [range(a, b) for a, b in zip(ends, ends[1:], strict=False)]


def steps(count: int) -> list[tuple[int, int]]:
    return [(time, time + 1) for time in range(count)]


def test_planted_events_are_the_rows_of_the_table():
    windows = [
        groups(14, 12, 11, 10),
        groups(14, 12, 21),  # the last two merge
        groups(7, 7, 12, 21),  # the first splits
        [*groups(7, 7, 12, 21), *groups(9, first=47)],  # one is born
        [*groups(7, 7), *groups(21, 9, first=26)],  # the one of twelve dies
    ]
    pairs, times = planted(windows)
    found = evolution_of(graph_of(pairs, 56, edge_time=times), steps(5))
    changed = found.events[found.events.kind != "continue"].drop(columns=["time", "common"])
    assert changed.to_numpy().tolist() == [
        [2, "merge", "2 3", "2", 21, 21],
        [3, "split", "0", "0 4", 14, 14],
        [4, "birth", "", "5", 0, 9],
        [5, "death", "1", "", 12, 0],
    ]
    assert found.groups.shape == (5, 56)
    assert found.groups[4].tolist() == np.repeat([0, 4, -1, 2, 5], [7, 7, 12, 21, 9]).tolist()
    assert found.table.communities.tolist() == [4, 3, 4, 5, 4]


def test_an_id_is_kept_over_a_snapshot_without_edges():
    pairs, times = planted([groups(8, 6), groups(8, 6)])
    found = evolution_of(graph_of(pairs, 14, edge_time=times * 2), steps(3))
    assert found.table.communities.tolist() == [2, 0, 2]
    assert found.table.nodes.tolist() == [14, 0, 14]
    assert found.groups[2].tolist() == found.groups[0].tolist()
    assert found.events.snapshot.tolist() == [3, 3]
    assert found.flows[["since", "snapshot"]].drop_duplicates().to_numpy().tolist() == [[1, 3]]


def test_shuffled_times_leave_no_drift():
    quarters, eighths = groups(16, 16, 16, 16), groups(*[8] * 8)
    pairs, times = planted([quarters, quarters, eighths, eighths])
    found = evolution_of(graph_of(pairs, 64, edge_time=times), steps(4))
    assert found.events.kind.value_counts().to_dict() == {"continue": 12, "split": 4}
    assert describe_changes(found).startswith("1 of 3 steps change")
    assert found.table.ami_shuffled.tolist()[1:] == [1, 1, 1]
    found = evolution_of(shuffled(graph_of(pairs, 64, edge_time=times), seed=3), steps(4))
    assert set(found.events.kind) == {"continue"}
    assert describe_changes(found).startswith("0 of 3 steps change")
    assert found.table.ami_previous.tolist()[1:] == [1, 1, 1]


def test_a_static_graph_in_random_arrival_order_densifies_by_the_square(tmp_path):
    graph = compose_experiment(SBM)[0].build("dataset", tmp_path)
    order = np.random.default_rng(1).permutation(graph.num_nodes)
    found = evolution_of(replace(graph, node_time=torch.from_numpy(order)), 5, mode="cumulative")
    assert found.table.densification_exponent.tolist()[-1] == pytest.approx(2, abs=0.05)
    assert found.table.edges.tolist()[-1] == graph.num_edges // 2
    assert found.table.ami_labels.min() > 0.5


def test_a_fixed_number_of_edges_a_node_does_not_densify():
    draw, count = np.random.default_rng(0), 2000
    first = np.repeat(np.arange(10, count), 3)
    second = np.concatenate([draw.choice(k, 3, replace=False) for k in range(10, count)])
    graph = graph_of(np.stack([first, second]), count, node_time=np.arange(count))
    found = evolution_of(graph, 10, task="describe")
    assert found.table.densification_exponent.tolist()[-1] == pytest.approx(1, abs=0.02)
    assert found.table.total_edges.tolist()[-1] == 3 * (count - 10)
    assert found.communities.empty


def test_rows_agree_with_counts_by_hand():
    pairs = np.array([[0, 0, 1, 0, 3], [1, 1, 2, 2, 4]])
    labels = np.array([0, 0, 1, 2, -1])
    graph = graph_of(pairs, 5, edge_time=np.array([1, 2, 2, 5, 6]), labels=labels)
    first, second = evolution_of(graph, [(1, 4), (4, 9)]).table.to_dict("records")
    assert [first[k] for k in ("nodes", "new_nodes", "edges", "entries")] == [3, 3, 2, 6]
    assert [second[k] for k in ("nodes", "new_nodes", "edges", "entries")] == [4, 2, 2, 4]
    assert (second["total_nodes"], second["total_edges"]) == (5, 4)
    assert first["mean_degree"] == pytest.approx(4 / 3)
    assert (first["homophily"], second["homophily"]) == (0.5, 0)
    shares = [second[f"share of {name}"] for name in range(3)]
    assert shares == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def test_a_cumulative_snapshot_has_all_edges_up_to_its_end():
    pairs, times = planted([groups(6, 6), groups(12), groups(4, 8)])
    graph = graph_of(pairs, 12, edge_time=times)
    table = evolution_of(graph, steps(3), mode="cumulative").table
    assert table.edges.tolist() == table.total_edges.tolist() == [31, 66, 66]
    assert table.start.tolist() == [0, 1, 2]
    whole = stage_of(graph, Window(0, 3)).graph
    assert table.homophily.tolist()[-1] == edge_statistics(whole).homophily


def test_the_same_seed_gives_the_same_communities():
    draw = np.random.default_rng(3)
    pairs = draw.integers(0, 60, (2, 600))
    pairs = pairs[:, pairs[0] != pairs[1]]
    graph = graph_of(pairs, 60, edge_time=draw.integers(0, 50, pairs.shape[1]))
    first, second, other = (evolution_of(graph, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.table, second.table)
    assert first.groups.tolist() == second.groups.tolist() != other.groups.tolist()


def test_a_graph_without_times_is_refused_with_those_that_have_some():
    graph = graph_of(np.array([[0], [1]]), 2)
    with pytest.raises(DataError) as caught:
        evolution_of(graph)
    assert "dataset.times" in str(caught.value)
    assert "workplace" in str(caught.value)


def test_a_directed_edge_counts_once_in_whichever_direction_and_weights_are_added_up():
    edges = np.array([[0, 1, 1, 2], [1, 0, 0, 1]])
    graph = graph_of(edges, 3, edge_time=np.array([0, 1, 1, 2]))
    one_way = replace(
        graph,
        rowptr=torch.tensor([0, 2, 3, 3]),
        col=torch.tensor([1, 1, 2], dtype=torch.int32),
        edge_time=torch.tensor([0, 1, 1]),
        edge_weight=torch.tensor([1.0, 2.0, 4.0]),
    )
    stage = stage_of(one_way, Window(0, 9))
    assert (stage.num_edges, stage.num_entries, stage.num_nodes) == (2, 3, 3)
    assert stage.graph.edge_weight.tolist() == [3, 4]
    assert stage.adjacency.strength.tolist() == [3, 7, 4]
    assert stage_of(graph, Window(0, 9)).adjacency.strength.tolist() == [1, 2, 1]


def test_several_labels_a_node_have_shares_and_no_comparison():
    pairs, times = planted([groups(6, 6), groups(6, 6)])
    graph = graph_of(pairs, 12, edge_time=times)
    y = torch.zeros(12, 3)
    y[:6, 0], y[:3, 1], y[11] = 1, 1, -1
    found = evolution_of(replace(graph, y=y), steps(2))
    row = found.table.to_dict("records")[1]
    assert [row[f"share of {name}"] for name in range(3)] == pytest.approx([6 / 11, 3 / 11, 0])
    assert found.table.ami_labels.isna().all()
    assert set(found.communities.top_label) == {""}


def test_what_cannot_be_compared_is_left_empty():
    pairs, times = planted([groups(6, 6), groups(5, 7, first=12)])
    graph = graph_of(pairs, 24, edge_time=times, labels=np.full(24, -1))
    found = evolution_of(graph, steps(2))
    names = ["ami_previous", "nmi_previous", "ami_labels", "nmi_labels", "homophily"]
    assert found.table[[*names, "share of 0"]].isna().all(axis=None)
    assert describe_changes(found).startswith("No two snapshots share nodes")
    assert sorted(found.events.kind) == ["birth"] * 2 + ["death"] * 2


def test_shuffling_keeps_edges_and_times_and_both_directions_together():
    draw = np.random.default_rng(2)
    pairs = draw.integers(0, 9, (2, 80))
    pairs = pairs[:, pairs[0] != pairs[1]]
    graph = graph_of(pairs, 9, edge_time=draw.integers(0, 30, pairs.shape[1]))
    other = shuffled(graph, seed=0)
    rows = np.repeat(np.arange(9), graph.degree.numpy())
    edges = list(zip(rows, other.col.tolist(), other.edge_time.tolist(), strict=True))
    assert sorted(edges) == sorted((j, i, t) for i, j, t in edges)
    assert sorted(other.edge_time.tolist()) == sorted(graph.edge_time.tolist())
    assert other.edge_time.tolist() != graph.edge_time.tolist()
    assert other.edge_time.tolist() != shuffled(graph, seed=1).edge_time.tolist()


def test_times_of_nodes_and_of_directed_edges_are_shuffled_one_by_one():
    graph = graph_of(np.array([[0, 1, 2], [1, 2, 3]]), 40, node_time=np.arange(40))
    assert sorted(shuffled(graph, 0).node_time.tolist()) == list(range(40))
    one_way = replace(
        graph,
        rowptr=torch.tensor([0, *[20] * 40]),
        col=torch.arange(1, 21, dtype=torch.int32),
        edge_time=torch.arange(20),
    )
    times = shuffled(one_way, 0).edge_time.tolist()
    assert sorted(times) == list(range(20)) != times
