"""Every call of ours is held to its annotations while tests run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation

from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.metric.classification import per_node_loss

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "counts", [[1, 2], torch.ones(2), torch.ones(2, 2, dtype=torch.int64)], ids=type
)
def test_an_argument_of_another_type_kind_or_rank_is_refused(counts: object) -> None:
    with pytest.raises(BeartypeCallHintViolation, match="pointers"):
        pointers(counts)


def test_axes_of_the_same_name_have_the_same_size_in_a_call() -> None:
    with pytest.raises(BeartypeCallHintViolation, match="per_node_loss"):
        per_node_loss(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64))
    per_node_loss(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))  # sizes end with the call


def test_the_fields_of_a_dataclass_are_held_to_each_other(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph()
    with pytest.raises(BeartypeCallHintViolation, match="__init__"):
        replace(graph, y=graph.y[:-1])
    with pytest.raises(BeartypeCallHintViolation, match="__init__"):
        replace(graph, num_classes="3")


def test_methods_and_keywords_are_checked_too(make_graph: Callable[..., GraphData]) -> None:
    with pytest.raises(BeartypeCallHintViolation, match="chunk_edges"):
        ExactInference(make_graph(), CPU, chunk_edges="5")
