"""Another graph's features are matched by name with those that the model was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData, Names
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.prediction.facts import TrainingFacts, fit_features, fit_labels

TRAINED = ("age", "land=de", "land=fr", "land=it")


def named(graph: GraphData, *features: str) -> GraphData:
    x = torch.arange(3.0 * len(features)).view(3, len(features))
    return replace(graph, x=x, names=Names(features=features))


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    return make_graph(num_nodes=3, num_edges=4)


@pytest.fixture
def facts(graph: GraphData) -> TrainingFacts:
    return TrainingFacts.of(named(graph, *TRAINED))


def test_facts_survive_json(facts: TrainingFacts) -> None:
    assert TrainingFacts.from_dict(json.loads(json.dumps(facts.as_dict()))) == facts


def test_the_same_features_stay_as_they_are(graph: GraphData, facts: TrainingFacts) -> None:
    other = named(graph, *TRAINED)
    assert fit_features(other, facts) is other


def test_reordered_features_are_sorted_and_missing_categories_are_0(
    graph: GraphData, facts: TrainingFacts
) -> None:
    fitted = fit_features(named(graph, "land=it", "age", "land=de"), facts)
    assert fitted.names.features == TRAINED
    assert fitted.x.tolist() == [[1, 2, 0, 0], [4, 5, 0, 3], [7, 8, 0, 6]]


def test_sparse_features_are_matched_as_dense_ones(graph: GraphData, facts: TrainingFacts) -> None:
    other = named(graph, "land=it", "age", "land=de")
    sparse = replace(other, x=SparseFeatures.from_dense(other.x))
    assert torch.equal(fit_features(sparse, facts).dense_x, fit_features(other, facts).x)


REFUSED = {
    ("land=de", "land=fr", "land=it"): "has no feature 'age', which the model was trained on",
    ("age",): r"has no feature 'land=de' \(and 2 more\), which the model was trained on",
    (*TRAINED, "land=es"): "has a feature 'land=es' that the model was not trained on; leave it",
    (*TRAINED, "b", "a"): r"has a feature 'a' \(and 1 more\) that the model was not trained on",
}


@pytest.mark.parametrize(("features", "part"), REFUSED.items())
def test_other_features_are_refused(
    features: tuple[str, ...], part: str, graph: GraphData, facts: TrainingFacts
) -> None:
    with pytest.raises(DataError, match=part):
        fit_features(named(graph, *features), facts)


def test_without_names_only_the_number_counts(graph: GraphData, facts: TrainingFacts) -> None:
    unnamed = replace(graph, x=torch.zeros(3, 4))
    assert fit_features(unnamed, facts) is unnamed
    with pytest.raises(DataError, match="has 3 features, and the model was trained on 4; choose"):
        fit_features(replace(graph, x=torch.zeros(3, 3)), facts)


def labelled(graph: GraphData, y: list, *classes: str) -> GraphData:
    return replace(graph, y=torch.tensor(y), num_classes=len(classes), names=Names(classes=classes))


def test_classes_are_matched_by_name_and_missing_labels_stay_missing(graph: GraphData) -> None:
    facts = TrainingFacts.of(labelled(graph, [0, 1, 2], "cat", "dog", "owl"))
    fitted = fit_labels(labelled(graph, [1, -1, 0], "dog", "cat"), facts)
    assert (fitted.y.tolist(), fitted.names.classes) == ([0, -1, 1], ("cat", "dog", "owl"))
    fitted = fit_labels(replace(graph, y=torch.tensor([1, 0, -1]), num_classes=2), facts_of(graph))
    assert (fitted.y.tolist(), fitted.num_classes) == ([1, 0, -1], 3)


def facts_of(graph: GraphData) -> TrainingFacts:
    return TrainingFacts.of(replace(graph, num_classes=3))


def test_several_labels_are_matched_by_name(graph: GraphData) -> None:
    rows = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
    facts = TrainingFacts.of(labelled(graph, [[0.0] * 3] * 3, "cat", "dog", "owl"))
    fitted = fit_labels(labelled(graph, rows, "owl", "cat"), facts)
    assert fitted.y.tolist() == [[0, 0, 1], [1, 0, 0], [-1, -1, -1]]


def test_unknown_classes_and_other_kinds_of_labels_are_refused(graph: GraphData) -> None:
    facts = TrainingFacts.of(labelled(graph, [0, 1, 1], "cat", "dog"))
    with pytest.raises(
        DataError, match=r"has the class 'fish' \(and 1 more\), which the model was"
    ):
        fit_labels(labelled(graph, [0, 1, 2], "dog", "fish", "owl"), facts)
    several = labelled(graph, [[0.0, 1.0]] * 3, "cat", "dog")
    with pytest.raises(DataError, match="have several labels, and the model was trained on one"):
        fit_labels(several, facts)
