"""Snapshots, windows and spans of time, against definitions written out edge by edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from redditgnn.embedding.adjacency import adjacency_of
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph import times
from redditgnn.graph.csr import CSR
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.graph.timeline import Timeline, Window
from redditgnn.graph.times import edge_times, merge_repeated, snapshot
from redditgnn.graph.undirected import symmetric_csr
from redditgnn.partition.adjacency import undirected

MakeGraph = Callable[..., GraphData]
WHEN = st.integers(0, 6)
CONTACTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), WHEN), max_size=20)


def graph_of(
    contacts: list[tuple[int, int, int]],
    *,
    edge_time: bool = True,
    node_time: list[int] | None = None,
    as_float: bool = False,
) -> GraphData:
    """Return five nodes with an edge from the first to the second for each (source, target, t)."""
    rows = sorted((target, source, t) for source, target, t in contacts)
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    target, source, when = map(torch.tensor, columns)
    counts = torch.bincount(target.long(), minlength=5)
    turn = torch.arange(5) % 3
    when = when.double() if as_float else when.long()
    return GraphData(
        name="contacts",
        x=torch.ones(5, 1),
        rowptr=torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]),
        col=source.int(),
        y=turn,
        num_classes=3,
        train_mask=turn == 0,
        val_mask=turn == 1,
        test_mask=turn == 2,
        fingerprint=Fingerprint("contacts"),
        node_time=None if node_time is None else torch.tensor(node_time),
        edge_time=when if edge_time else None,
    )


def edges_of(graph: GraphData) -> list[tuple[int, int]]:
    row = CSR(graph.rowptr, graph.col, graph.num_nodes).row
    return sorted(zip(graph.col.tolist(), row.tolist(), strict=True))


@given(CONTACTS, WHEN, WHEN, st.none() | st.lists(WHEN, min_size=5, max_size=5), st.booleans())
@settings(deadline=None, max_examples=150)
def test_a_snapshot_has_the_edges_of_its_window(contacts, start, end, node_time, edge_time):
    if node_time is None and not edge_time:
        return
    graph = graph_of(contacts, node_time=node_time, edge_time=edge_time)
    came = node_time or [0] * 5
    inside = [
        (i, j)
        for i, j, t in contacts
        if start <= max(t if edge_time else 0, came[i], came[j]) < end
    ]
    cut = snapshot(graph, Window(start, end))
    assert edges_of(cut.graph) == sorted(inside)
    new = {k for k in range(5) if node_time is not None and start <= came[k] < end}
    assert set(cut.active.nonzero().view(-1).tolist()) == {k for e in inside for k in e} | new


def test_blocks_of_rows_change_nothing(monkeypatch, make_graph: MakeGraph) -> None:
    graph = make_graph()
    graph = replace(graph, node_time=torch.arange(20) % 7)
    whole, when = snapshot(graph, Window(2, 6)), edge_times(graph)
    monkeypatch.setattr(times, "_BLOCK_EDGES", 3)
    again = snapshot(graph, Window(2, 6))
    assert torch.equal(whole.graph.col, again.graph.col)
    assert torch.equal(whole.graph.rowptr, again.graph.rowptr)
    assert np.array_equal(when, edge_times(graph))


def test_a_snapshot_keeps_weights_and_times_beside_their_edges() -> None:
    graph = graph_of([(0, 1, 5), (0, 1, 2), (2, 1, 3)])
    graph = replace(graph, edge_weight=graph.edge_time.float() / 10)
    cut = snapshot(graph, Window(3, 6)).graph
    assert cut.edge_time.tolist() == [5, 3]
    assert cut.edge_weight.tolist() == pytest.approx([0.5, 0.3])


def test_snapshots_of_different_windows_have_different_fingerprints() -> None:
    graph = graph_of([(0, 1, 5), (0, 1, 2), (2, 1, 3)])
    prints = {snapshot(graph, Window(*pair)).graph.fingerprint for pair in [(0, 9), (1, 9), (0, 4)]}
    assert len(prints | {graph.fingerprint}) == 4


@given(CONTACTS)
@settings(deadline=None, max_examples=60)
def test_merged_edges_weigh_the_number_of_their_repetitions(contacts) -> None:
    merged = merge_repeated(graph_of(contacts), counts=True)
    counted = Counter((i, j) for i, j, _ in contacts)
    assert edges_of(merged) == sorted(counted)
    row = CSR(merged.rowptr, merged.col, 5).row.tolist()
    triples = zip(merged.col.tolist(), row, merged.edge_weight.tolist(), strict=True)
    assert {(source, target): weight for source, target, weight in triples} == counted
    assert merged.edge_time is None


@given(st.lists(WHEN, min_size=1, max_size=30), st.integers(1, 7))
@settings(deadline=None, max_examples=150)
def test_windows_cover_all_events_in_order_and_none_is_empty(when, number):
    line = Timeline(graph_of([(0, 1, t) for t in when]))
    if number > len(set(when)):
        with pytest.raises(ConfigError, match=f"windows must be at most {len(set(when))}, the num"):
            line.windows("windows", number)
        return
    windows = line.windows("windows", number)
    assert len(windows) == number
    assert (windows[0].start, windows[-1].end) == line.span
    assert all(one.end == two.start for one, two in pairwise(windows))
    assert all(any(w.start <= t < w.end for t in when) for w in windows)


def test_windows_have_equal_counts_where_times_differ() -> None:
    line = Timeline(graph_of([(0, 1, t) for t in range(100)]))
    sizes = [w.end - w.start for w in line.windows("windows", 7)]
    assert sum(sizes) == 100
    assert max(sizes) - min(sizes) <= 1


def test_windows_of_a_duration_begin_at_its_multiples_and_skip_what_is_empty() -> None:
    line = Timeline(graph_of([(0, 1, t) for t in (90_000, 100_000, 300_000)]))
    assert line.windows("windows", "1d") == [(90_000, 172_800), (259_200, 300_001)]
    assert line.windows("windows", "1d", Window(95_000, 101_000)) == [(95_000, 101_000)]
    assert line.windows("windows", 3, Window(0, 10)) == []


@pytest.mark.parametrize("as_float", [False, True])
def test_moments_and_spans_of_ten_events(as_float) -> None:
    line = Timeline(graph_of([(0, 1, t) for t in range(10)], as_float=as_float))
    assert line.moment("until", 4) == 4
    assert line.moment("until", "50%") == 4
    assert line.moment("until", "100%") == 9
    assert line.moment("until", "3s") == 3
    assert line.later("validation", 4, 2) == 6
    assert line.later("validation", 4, "20%") == 6
    assert line.later("validation", 4, "90%") == 9
    assert line.earlier("validation", 6, 2) == 4
    assert line.earlier("validation", 6, "20%") == 4
    assert line.last_before(6) == 5
    for span, first in ((3, 2), ("3s", 2), ("60%", 2), ("100%", 0), (None, 0)):
        start, end = line.history("history", 4, span)
        assert [t for t in range(10) if start <= t < end] == list(range(first, 5))


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (0, "history must be positive, got 0"),
        ("0%", "history must be above 0% and at most 100%, got 0%"),
        ("soon", "such as 60s, 10min or 1.5h, got 'soon'; or a share of the events, such as 10%"),
    ],
)
def test_a_span_that_is_none_is_refused(span, message) -> None:
    line = Timeline(graph_of([(0, 1, 1)]))
    with pytest.raises(ConfigError) as error:
        line.history("history", 1, span)
    assert message in str(error.value)


def test_a_graph_without_times_is_refused_with_the_datasets_that_have_some(
    make_graph: MakeGraph,
) -> None:
    for ask in (Timeline, edge_times, lambda graph: snapshot(graph, Window(0, 1))):
        with pytest.raises(DataError, match="dataset=random0 has no times of nodes or edges"):
            ask(make_graph())


def test_contacts_become_one_edge_a_pair_for_embeddings_communities_and_parts() -> None:
    both = [(0, 1, 2), (0, 1, 3), (1, 2, 5)]
    graph = graph_of([*both, *((j, i, t) for i, j, t in both)])
    before, of_embedding = graph.col.clone(), adjacency_of(graph)
    for rowptr, col in (symmetric_csr(graph), (of_embedding.rowptr, of_embedding.col)):
        assert (rowptr.tolist(), col.tolist()) == ([0, 1, 3, 4, 4, 4], [1, 0, 2, 1])
    adjacency = undirected(graph)
    assert adjacency.col.tolist() == [1, 0, 2, 1]
    assert adjacency.weight.tolist() == [2, 2, 1, 1]
    assert not adjacency.was_directed
    assert torch.equal(graph.col, before)
