"""What a map can be coloured by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.data import GraphData
from redditgnn.maps.columns import (
    Category,
    Number,
    answer_columns,
    community_column,
    file_columns,
    graph_columns,
)


@pytest.fixture(scope="module")
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=12, num_edges=40)


def test_a_graph_has_label_split_and_degree(graph: GraphData) -> None:
    label, split, degree = graph_columns(graph)
    assert isinstance(label, Category)
    assert isinstance(split, Category)
    assert isinstance(degree, Number)
    assert torch.equal(torch.from_numpy(np.asarray(label.codes)), graph.y)
    named = np.array(split.names)[split.codes]
    assert ((named == "train") == graph.train_mask.numpy()).all()
    assert degree.values.tolist() == graph.degree.tolist()


def test_a_node_without_a_label_has_none(graph: GraphData) -> None:
    probability = np.eye(graph.num_classes)[np.zeros(12, int)]
    unlabelled = graph.y.clone()
    unlabelled[:2] = -1
    masked = replace(
        graph,
        y=unlabelled,
        **{
            f"{name}_mask": graph.mask(name) & (unlabelled >= 0)
            for name in ("train", "val", "test")
        },
    )
    label, *_ = graph_columns(masked)
    _, outcome, confidence = answer_columns(masked.y.numpy(), masked.class_names, probability)
    for column in (label, outcome):
        assert isinstance(column, Category)
        assert [column.names[code] for code in column.codes[:2]] == ["none", "none"]
    assert isinstance(outcome, Category)
    right = np.array(outcome.names)[outcome.codes] == "right"
    assert (right == (unlabelled == 0).numpy()).all()
    assert isinstance(confidence, Number)
    assert (confidence.values == 1).all()


def test_columns_of_a_file_belong_to_nodes_by_their_id(tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("node,age,town\nb,3,Rome\na,,Oslo\n")
    age, town = file_columns(path, ["a", "b", "c"])
    assert isinstance(age, Number)
    assert np.array_equal(age.values, [np.nan, 3, np.nan], equal_nan=True)
    assert isinstance(town, Category)
    assert [town.names[code] for code in town.codes] == ["Oslo", "Rome", "none"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id,age\na,3\n", "must have a column node"),
        ("node,age\na,3\na,4\n", "holds each id once"),
        ("node,age\nx,3\n", "has none of them"),
        ("", "cannot be read"),
    ],
)
def test_a_file_of_other_nodes_is_refused(text: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(text)
    with pytest.raises((ConfigError, DataError), match=part):
        list(file_columns(path, ["a", "b"]))


def test_communities_of_another_graph_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no membership.npy; name a folder"):
        community_column(tmp_path, 3)
    np.save(tmp_path / "membership.npy", np.array([0, 1, 1], np.int32))
    assert community_column(tmp_path, 3).names == ("0", "1")
    with pytest.raises(DataError, match="of a graph of 3 nodes, this one has 4"):
        community_column(tmp_path, 4)


def test_a_prediction_has_the_name_that_the_model_knows_it_by() -> None:
    y, probability = np.array([0, -1]), np.array([[0.2, 0.1, 0.7], [0.9, 0.1, 0.0]])
    prediction, outcome, _ = answer_columns(y, ("ant", "bee", "cat"), probability)
    assert isinstance(prediction, Category)
    assert [prediction.names[code] for code in prediction.codes] == ["cat", "ant"]
    assert isinstance(outcome, Category)
    assert [outcome.names[code] for code in outcome.codes] == ["wrong", "none"]
