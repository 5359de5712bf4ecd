"""Weights of classes: scikit-learn's formula, torch's mean, and the mistakes that are refused."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.metric.class_weight import class_weights
from redditgnn.metric.classification import per_node_loss
from redditgnn.parts import Parts

Y = torch.tensor([0, 0, 0, 0, 0, 1, 1, 3])


def test_balanced_weights_are_those_of_scikit_learn():
    sk = pytest.importorskip("sklearn.utils.class_weight")
    expected = sk.compute_class_weight("balanced", classes=Y.unique().numpy(), y=Y.numpy())
    weights = class_weights(Y, 4, "balanced")
    assert weights[[0, 1, 3]].tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("weight", ["balanced", [1, 3, 2, 0.5]])
def test_the_mean_factor_of_training_nodes_is_one(weight):
    assert class_weights(Y, 4, weight)[Y].mean().item() == pytest.approx(1.0)


def test_the_full_batch_loss_is_the_weighted_mean_of_torch():
    logits, weight = torch.randn(8, 4), [1, 3, 2, 0.5]
    loss = per_node_loss(logits, Y, class_weights(Y, 4, weight)).mean()
    torch.testing.assert_close(loss, F.cross_entropy(logits, Y, torch.tensor(weight)))


def test_unlabelled_nodes_have_no_loss_with_weights_either():
    loss = per_node_loss(torch.randn(2, 2), torch.tensor([-1, 1]), torch.tensor([1.0, 2.0]))
    assert loss[0] == 0
    assert loss[1] > 0


def parts_of(tmp_path, *overrides: str) -> Parts:
    small = ["dataset.scale=0.002", f"data_dir={tmp_path}", "device=cpu", "sampler=full"]
    return Parts(compose_settings([*(overrides or ["dataset=sbm"]), *small]))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (
            "[1,2]",
            r"class_weight=\[1, 2\] must have a number for each of the 41 classes of .*got 2",
        ),
        (f"[{','.join(['0'] * 41)}]", "must be positive for a class that training nodes have"),
        ("[-1,2]", r"trainer.class_weight must have no negative numbers, got \[-1, 2\]"),
    ],
)
def test_a_list_that_does_not_fit_is_one_line(tmp_path, weight, message):
    parts = parts_of(tmp_path, "dataset=sbm", f"trainer.class_weight={weight}")
    with pytest.raises(ConfigError, match=message) as raised:
        _ = parts.class_weight
    assert "\n" not in str(raised.value)


def test_several_labels_a_node_refuse_class_weights(tmp_path):
    parts = parts_of(tmp_path, "dataset=sbm_multilabel", "trainer.class_weight=balanced")
    with pytest.raises(ConfigError, match="needs one label a node.*class_weight=null"):
        _ = parts.class_weight


def test_a_word_other_than_balanced_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="trainer.class_weight must be .*balanced.*got 'even'"):
        parts_of(tmp_path, "dataset=sbm", "trainer.class_weight=even").settings.check()
