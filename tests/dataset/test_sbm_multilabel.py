"""The synthetic graph with several labels a node."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData

SIZE = ("dataset.scale=0.004", "dataset.num_features=32")
SMALL = ("dataset=sbm_multilabel", "dataset.num_communities=5", *SIZE)


@pytest.fixture
def small(tmp_path, build) -> GraphData:
    return build(tmp_path, *SMALL, "dataset.num_classes=30")


def test_a_node_has_its_communitys_labels(small):
    assert small.spec[:4] == (932, 32, 30, True)
    kinds = np.unique(small.y.numpy(), axis=0)
    assert len(kinds) == 5
    assert small.y.mean() == pytest.approx(0.3, abs=0.1)


def test_edges_and_features_are_those_of_the_graph_with_one_label(small, tmp_path, build):
    single = build(tmp_path, "dataset=sbm", "dataset.num_classes=5", *SIZE)
    assert torch.equal(single.col, small.col)
    assert torch.equal(single.x, small.x)
    assert torch.equal(single.train_mask, small.train_mask)


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("dataset.num_communities=1", "dataset.num_communities must be at least 2, got 1"),
        ("dataset.label_share=1.0", "dataset.label_share must be between 0 and 1, got 1.0"),
        ("dataset.num_classes=0", "dataset.num_classes must be positive, got 0"),
        ("dataset.homophily=2.0", "dataset.homophily must be in [0, 1], got 2.0"),
    ],
)
def test_what_cannot_be_is_refused(override, text, tmp_path, build):
    with pytest.raises(ConfigError) as caught:
        build(tmp_path, *SMALL, override)
    assert text in str(caught.value)
