"""Edges of files become rows of a graph: repeated ones, self-loops, weights, reverses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redditgnn.dataset.base import EdgeRules
from redditgnn.dataset.edges import num_with_reverse, sort_edges
from redditgnn.errors import DataError

EDGES = np.array([[2, 1, 2, 0, 2], [0, 1, 0, 2, 1]])  # a self-loop of 1, and 2 -> 0 twice
WEIGHT = np.array([0.5, 9.0, 0.25, 1.0, 2.0], dtype=np.float32)


def test_self_loops_and_repeated_edges_are_dropped_and_counted():
    edges = sort_edges("mine", EDGES, 3)
    assert edges.rowptr.tolist() == [0, 1, 2, 3]
    assert edges.col.tolist() == [2, 2, 0]
    assert edges.weight is None
    assert edges.facts == {"self_loops": 1, "repeated_edges": 1}


@pytest.mark.parametrize(
    ("duplicates", "weight", "expected"),
    [("first", WEIGHT, [0.5, 2, 1]), ("sum", WEIGHT, [0.75, 2, 1]), ("sum", None, [2, 1, 1])],
)
def test_a_repeated_edge_has_its_first_weight_or_the_sum(duplicates, weight, expected):
    edges = sort_edges("mine", EDGES, 3, weight=weight, rules=EdgeRules(duplicates=duplicates))
    assert edges.col.tolist() == [2, 2, 0]
    assert edges.weight.tolist() == expected


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (EdgeRules(duplicates="refuse"), "the edge 2 -> 0 is listed more than once; list it once"),
        (EdgeRules(self_loops="refuse"), "an edge joins node 1 to itself; remove it, or set"),
        (EdgeRules(undirected=True), "2 -> 0 has 0.5 and its reverse 1; give both the same"),
    ],
)
def test_refused_edges_are_named(rules, message):
    with pytest.raises(DataError, match="dataset=mine: ") as error:
        sort_edges("mine", EDGES, 3, weight=WEIGHT, rules=rules)
    assert message in str(error.value)


def test_reverses_are_added_with_their_weight_where_they_are_missing():
    edge_index, weight = np.array([[0, 1, 2], [1, 0, 1]]), np.array([3.0, 3, 5], dtype=np.float32)
    edges = sort_edges("mine", edge_index, 3, weight=weight, rules=EdgeRules(undirected=True))
    assert edges.rowptr.tolist() == [0, 1, 3, 4]
    assert edges.col.tolist() == [1, 0, 2, 1]
    assert edges.weight.tolist() == [3, 3, 5, 5]
    assert edges.facts["added_reverses"] == 1


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30)
    ),
    st.sampled_from(["first", "sum"]),
    st.booleans(),
)
def test_sorted_edges_equal_those_of_a_dictionary(pairs, duplicates, undirected):
    edge_index = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    weight = np.ones(len(pairs), dtype=np.float32)
    expected: dict[tuple[int, int], float] = {}
    for source, destination in pairs:
        if source != destination:
            key = (destination, source)
            expected[key] = expected.get(key, 0) + 1 if duplicates == "sum" else 1
    if undirected and any(
        value != expected.get(key[::-1], value) for key, value in expected.items()
    ):
        return  # refused: see above
    if undirected:
        expected |= {key[::-1]: value for key, value in expected.items()}
    rules = EdgeRules(undirected=undirected, duplicates=duplicates)
    edges = sort_edges("mine", edge_index, 6, weight=weight, rules=rules)
    rows = np.repeat(np.arange(6), np.diff(edges.rowptr))
    listed = dict(
        zip(zip(rows.tolist(), edges.col.tolist(), strict=True), edges.weight, strict=True)
    )
    assert listed == expected
    assert list(listed) == sorted(listed)


CONTACTS = np.array([[0, 0, 0, 1, 2], [1, 1, 1, 0, 0]])
WHEN = np.array([7, 3, 7, 3, 1])  # 0 -> 1 at 3 and 7, and again at 7


def test_an_edge_at_another_time_is_another_edge_in_ascending_order():
    edges = sort_edges("mine", CONTACTS, 3, time=WHEN)
    assert edges.rowptr.tolist() == [0, 2, 4, 4]
    assert edges.col.tolist() == [1, 2, 0, 0]
    assert edges.time.tolist() == [3, 1, 3, 7]
    assert edges.facts == {"self_loops": 0, "repeated_edges": 1}


def test_reverses_are_added_at_the_time_of_their_edge():
    edges = sort_edges("mine", CONTACTS, 3, time=WHEN, rules=EdgeRules(undirected=True))
    assert edges.rowptr.tolist() == [0, 3, 5, 6]
    assert edges.col.tolist() == [1, 1, 2, 0, 0, 0]
    assert edges.time.tolist() == [3, 7, 1, 3, 7, 1]
    assert edges.facts["added_reverses"] == 2


def test_edges_with_times_are_added_up_or_refused_only_at_one_time():
    edges = sort_edges("mine", CONTACTS, 3, time=WHEN, rules=EdgeRules(duplicates="sum"))
    assert edges.weight.tolist() == [1, 1, 1, 2]
    once = CONTACTS[:, [0, 1, 3, 4]], WHEN[[0, 1, 3, 4]]
    sort_edges("mine", once[0], 3, time=once[1], rules=EdgeRules(duplicates="refuse"))
    with pytest.raises(DataError, match="the edge 0 -> 1 is listed more than once"):
        sort_edges("mine", CONTACTS, 3, time=WHEN, rules=EdgeRules(duplicates="refuse"))


def test_a_reverse_counts_only_at_the_time_of_its_edge():
    assert num_with_reverse(sort_edges("mine", CONTACTS, 3, time=WHEN)) == 2
    assert num_with_reverse(sort_edges("mine", CONTACTS, 3)) == 2
    other = np.array([7, 3, 7, 4, 1])
    assert num_with_reverse(sort_edges("mine", CONTACTS, 3, time=other)) == 0
