"""The facts of the graph that a model was trained on, and how another graph fits them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData, GraphSpec
from redditgnn.graph.sparse_features import SparseFeatures


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFacts:
    """What a model and its answers depend on. It is in a run's run.json, at the key `graph`.

    Attributes:
        spec: Sizes of the graph that training saw.
        features, classes: Their names in the files. None where they are numbered from 0.
    """

    spec: GraphSpec
    features: tuple[str, ...] | None
    classes: tuple[str, ...] | None

    @classmethod
    def of(cls, graph: GraphData) -> TrainingFacts:
        return cls(spec=graph.spec, features=graph.names.features, classes=graph.names.classes)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingFacts:
        """Read what `as_dict` returned, also after a round trip through JSON."""
        names = {key: values[key] and tuple(values[key]) for key in ("features", "classes")}
        return cls(spec=GraphSpec(**values["spec"]), **names)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "spec": self.spec._asdict(),
            "features": self.features,
            "classes": self.classes,
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, or their numbers as text."""
        return self.classes or tuple(map(str, range(self.spec.num_classes)))


def fit_features(graph: GraphData, facts: TrainingFacts) -> GraphData:
    """Return `graph` with the features that the model reads, in their order.

    Features are matched by name where both graphs have names. A category of a text column
    (`COLUMN=VALUE`) that does not occur in `graph` is 0 everywhere.

    Raises:
        DataError: the features are others.
    """
    ours, theirs = graph.names.features, facts.features
    if ours is None or theirs is None:
        _refuse_other_number(graph, facts)
        return graph
    if ours == theirs:
        return graph
    _refuse_other_names(graph.name, ours, theirs)
    place = {name: index for index, name in enumerate(theirs)}
    new_ids = torch.tensor([place[name] for name in ours])
    if isinstance(graph.x, SparseFeatures):
        x: Tensor | SparseFeatures = graph.x.with_columns(new_ids, len(theirs))
    else:
        x = graph.x.new_zeros(graph.num_nodes, len(theirs)).index_copy_(1, new_ids, graph.x)
    return replace(graph, x=x, names=replace(graph.names, features=theirs))


def unknown_classes(graph: GraphData, facts: TrainingFacts) -> list[str]:
    """Return the classes of `graph` that the model was not trained on, and cannot predict."""
    known = set(facts.class_names)
    return [name for name in TrainingFacts.of(graph).class_names if name not in known]


def fit_labels(graph: GraphData, facts: TrainingFacts) -> GraphData:
    """Return `graph` with the classes that the model predicts, in their order.

    Classes are matched by name. The graph may lack some.

    Raises:
        DataError: it has no classes, or others, or nodes have several labels where those of
            training had one.
    """
    ours, theirs = TrainingFacts.of(graph), facts.class_names
    if not ours.spec.num_classes:
        raise DataError(
            f"{graph.name} has no labels, so no answer is right or wrong; 'redditgnn predict' "
            "writes the answers"
        )
    if ours.spec.multi_label != facts.spec.multi_label:
        kinds = ("several labels", "one label")
        have, needed = kinds if ours.spec.multi_label else kinds[::-1]
        raise DataError(
            f"nodes of {graph.name} have {have}, and the model was trained on {needed} a node; "
            "choose a graph with the same labels"
        )
    if unknown := unknown_classes(graph, facts):
        raise DataError(
            f"{graph.name} has the class {unknown[0]!r}{_others(unknown)}, which the model was not "
            "trained on; leave these labels blank, or train again"
        )
    if ours.class_names == theirs:
        return graph
    places = torch.tensor([theirs.index(name) for name in ours.class_names])
    y = _moved(graph.y, places, len(theirs))
    return replace(graph, y=y, num_classes=len(theirs), names=replace(graph.names, classes=theirs))


def _moved(y: Tensor, places: Int64[Tensor, " classes"], num_classes: int) -> Tensor:
    """Give class `i` of `y` the number `places[i]`. -1 stays."""
    if y.dim() == 1:
        return torch.cat([places, torch.tensor([-1])])[y]
    moved = torch.zeros(len(y), num_classes)
    moved[:, places] = y
    moved[(y < 0).all(1)] = -1
    return moved


def _refuse_other_number(graph: GraphData, facts: TrainingFacts) -> None:
    number, needed = graph.x.shape[1], facts.spec.num_features
    if number != needed:
        raise DataError(
            f"{graph.name} has {number:,} features, and the model was trained on {needed:,}; "
            "choose a graph with the same features"
        )


def _refuse_other_names(graph: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> None:
    known, columns = set(ours), {_column(name) for name in ours if "=" in name}
    missing = [n for n in theirs if n not in known and _column(n) not in columns]
    if missing:
        raise DataError(
            f"{graph} has no feature {missing[0]!r}{_others(missing)}, which the model was trained "
            "on; add the column"
        )
    unknown = sorted(known - set(theirs))
    if unknown:
        raise DataError(
            f"{graph} has a feature {unknown[0]!r}{_others(unknown)} that the model was not "
            "trained on; leave it out, or train again"
        )


def _column(name: str) -> str:
    """Return the column of a category, or an empty text."""
    return name.rpartition("=")[0]


def _others(names: list[str]) -> str:
    return f" (and {len(names) - 1:,} more)" if len(names) > 1 else ""
