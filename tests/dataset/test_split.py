"""Splits drawn per class."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from redditgnn.dataset.split import SplitRule, draw_by_ratio, draw_per_class, mask_tables
from redditgnn.errors import ConfigError

Y = np.repeat(np.arange(3), [10, 20, 30])


def test_each_class_gets_its_share_and_the_rest_tests():
    train, val, test = draw_per_class(Y, 4, 6, seed=0)
    assert np.bincount(Y[train]).tolist() == [4, 4, 4]
    assert np.bincount(Y[val]).tolist() == [6, 6, 6]
    assert (train.astype(int) + val + test == 1).all()


def test_the_seed_decides():
    same, again, other = (draw_per_class(Y, 4, 6, seed=seed)[0] for seed in (1, 1, 2))
    assert (same == again).all()
    assert (same != other).any()


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(ConfigError, match="at most 10, the size of class 0, got 11"):
        draw_per_class(Y, 5, 6, seed=0)


def test_a_random_split_can_replace_the_public_one(tmp_path, saint_raw, build):
    saint_raw(tmp_path / "Flickr" / "raw")
    chosen = ["dataset.split=random", "dataset.train_per_class=2", "dataset.val_per_class=1"]
    graph = build(tmp_path, "dataset=flickr", "dataset.expected=null", *chosen)
    assert graph.y[graph.train_mask].bincount().tolist() == [2, 2, 2, 2]
    assert int(graph.test_mask.sum()) == 30 - 12


def test_a_test_mask_shared_by_all_splits_serves_each():
    rule = SplitRule(kind="public", index=1, seed=0, train_per_class=1, val_per_class=0)
    several, one = torch.eye(3, dtype=torch.bool)[:, :2], torch.tensor([False, False, True])
    data = SimpleNamespace(train_mask=several, val_mask=several.flip(1), test_mask=one)
    train, val, test = rule.masks(mask_tables("mine", data, 3), np.array([0, 1, 0]))
    assert train.tolist() == [False, True, False]
    assert val.tolist() == [True, False, False]
    assert test.tolist() == one.tolist()


def test_a_split_that_the_files_lack_is_refused(tmp_path, saint_raw, build):
    saint_raw(tmp_path / "Flickr" / "raw")
    with pytest.raises(ConfigError, match=r"split_index must be in \[0, 1\), got 3"):
        build(tmp_path, "dataset=flickr", "dataset.expected=null", "dataset.split_index=3")


def test_unlabelled_nodes_are_in_no_drawn_split():
    y = np.where(np.arange(60) % 6, Y, -1)
    for drawn in (draw_per_class(y, 2, 2, seed=0), draw_by_ratio(y, 0.6, 0.2, seed=0)):
        assert np.add.reduce(drawn, dtype=int).tolist() == (y >= 0).astype(int).tolist()


def test_classes_without_nodes_do_not_limit_a_drawn_split():
    train, _, _ = draw_per_class(Y + 1, 2, 2, seed=0)
    assert np.bincount(Y[train]).tolist() == [2, 2, 2]


def test_a_ratio_draws_whole_graphs_where_several_were_joined():
    graph_ids = np.repeat(np.arange(10), 6)
    masks = draw_by_ratio(Y, 0.6, 0.2, 0, graph_ids)
    assert [len(np.unique(graph_ids[mask])) for mask in masks] == [6, 2, 2]
