"""Where a model is right and wrong: scores by degree, homophily, distance and class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from torch import Tensor

from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData, Split
from redditgnn.prediction.neighborhoods import (
    Neighborhoods,
    distance_bins,
    equal_bins,
    quantile_bins,
)
from redditgnn.prediction.table import class_names, node_names

Tables = dict[str, pd.DataFrame]
NUM_CALIBRATION_BINS = 10
NUM_MISTAKES = 20


def diagnose(
    graph: GraphData,
    classes: tuple[str, ...],
    predicted: Int64[Tensor, " nodes"] | Bool[Tensor, "nodes classes"],
    probability: Float[Tensor, "nodes classes"],
    split: Split,
) -> Tables:
    """Return the tables of one model on the labelled nodes of a split, by name."""
    node_ids = labelled_nodes(graph, split)
    around, rows = Neighborhoods(graph), node_ids.numpy()
    truth = graph.y[node_ids] if graph.y.dim() == 1 else graph.y[node_ids] > 0.5
    predicted, probability = predicted[node_ids], probability[node_ids]
    right = (predicted == truth).double()
    score = (right if right.dim() == 1 else right.mean(1)).numpy()
    bins = {
        "degree": quantile_bins(around.degree[rows]),
        "homophily": equal_bins(around.homophily[rows]),
        "distance": distance_bins(around.distance[rows]),
    }
    tables = {name: by_bin(name, labels, score) for name, labels in bins.items()}
    tables["class"] = by_class(classes, predicted, truth)
    tables["calibration"] = calibration(predicted, truth, probability)
    if graph.y.dim() == 1:
        tables["confusion"] = confusion(classes, predicted, truth)
        tables["mistakes"] = mistakes(graph, classes, node_ids, predicted, probability, around)
    return tables


def compare(ours: Tables, theirs: Tables, names: tuple[str, str]) -> Tables:
    """Put the scores of two models side by side, with the difference of the first to the second.

    `names` tell the models apart in the columns.
    """
    scores = {"degree": "accuracy", "homophily": "accuracy", "distance": "accuracy", "class": "f1"}
    tables = {}
    for name, score in scores.items():
        table = ours[name][[name, "nodes"]].copy()
        for label, side in zip(names, (ours, theirs), strict=True):
            table[f"{score} of {label}"] = side[name][score]
        table["difference"] = ours[name][score] - theirs[name][score]
        tables[name] = table
    return tables


def agreement(
    graph: GraphData, split: Split, ours: Tensor, theirs: Tensor, names: tuple[str, str]
) -> pd.DataFrame:
    """Return how many nodes both models have right, only one of them, or none."""
    node_ids = labelled_nodes(graph, split)
    rights = [_all_right(predicted[node_ids], graph.y[node_ids]) for predicted in (ours, theirs)]
    first, second = rights
    counts = {
        "both right": first & second,
        f"only {names[0]} right": first & ~second,
        f"only {names[1]} right": ~first & second,
        "both wrong": ~first & ~second,
    }
    sums = [int(mask.sum()) for mask in counts.values()]
    shares = [number / len(node_ids) for number in sums]
    return pd.DataFrame({"nodes that are": list(counts), "nodes": sums, "share": shares})


def labelled_nodes(graph: GraphData, split: Split) -> Int64[Tensor, " rows"]:
    """Return the nodes of a split that have labels.

    Raises:
        DataError: there are none.
    """
    labelled = (graph.y >= 0) if graph.y.dim() == 1 else (graph.y >= 0).all(1)
    node_ids = (graph.mask(split) & labelled).nonzero().view(-1)
    if not len(node_ids):
        raise DataError(f"{graph.name} has no {split} nodes with labels; choose another split")
    return node_ids


def by_bin(name: str, bins: pd.Categorical, score: ndarray) -> pd.DataFrame:
    """Return nodes and accuracy of each bin. Of several labels it is the share that is right."""
    groups = pd.DataFrame({name: bins, "accuracy": score}).groupby(name, observed=True)
    table = groups.accuracy.agg(["size", "mean"]).reset_index()
    table.columns = [name, "nodes", "accuracy"]
    return table.astype({name: str})


def by_class(classes: tuple[str, ...], predicted: Tensor, truth: Tensor) -> pd.DataFrame:
    """Return precision, recall, F1 and the number of nodes of each class."""
    said, true = (_one_hot(labels, len(classes)) for labels in (predicted, truth))
    hits, num_said, num_true = (said & true).sum(0), said.sum(0), true.sum(0)
    columns = {
        "nodes": num_true,
        "predicted": num_said,
        "precision": hits / num_said,  # NaN where nothing is to be counted
        "recall": hits / num_true,
        "f1": 2 * hits / (num_said + num_true),
    }
    values = {name: column.numpy() for name, column in columns.items()}
    return pd.DataFrame({"class": classes} | values)


def confusion(classes: tuple[str, ...], predicted: Tensor, truth: Tensor) -> pd.DataFrame:
    """Return how many nodes of each class (row) were predicted as each class (column)."""
    size = len(classes)
    counts = torch.bincount(truth * size + predicted, minlength=size * size).view(size, size)
    table = pd.DataFrame(counts.numpy(), columns=list(classes))
    table.insert(0, "true class", list(classes))
    return table


def calibration(predicted: Tensor, truth: Tensor, probability: Tensor) -> pd.DataFrame:
    """Compare the probability of the predicted label with how often it is right, by bins.

    Where nodes carry several labels, each label of each node counts once.
    """
    if predicted.dim() == 2:
        confidence = torch.maximum(probability, 1 - probability).flatten().numpy()
    else:
        confidence = probability.max(1).values.numpy()
    right = (predicted == truth).flatten().double().numpy()
    bins = np.minimum((confidence * NUM_CALIBRATION_BINS).astype(int), NUM_CALIBRATION_BINS - 1)
    frame = pd.DataFrame({"bin": bins, "confidence": confidence, "accuracy": right})
    table = frame.groupby("bin").agg(
        nodes=("accuracy", "size"),
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
    )
    table.insert(0, "probability", [f"{10 * i}% to {10 * (i + 1)}%" for i in table.index])
    return table.reset_index(drop=True)


def mistakes(
    graph: GraphData,
    classes: tuple[str, ...],
    node_ids: Int64[Tensor, " rows"],
    predicted: Tensor,
    probability: Tensor,
    around: Neighborhoods,
) -> pd.DataFrame:
    """Return the mistakes that the model is most sure of."""
    confidence = probability.max(1).values
    wrong = (predicted != graph.y[node_ids]).nonzero().view(-1)
    wrong = wrong[confidence[wrong].argsort(descending=True, stable=True)][:NUM_MISTAKES]
    ids = node_ids[wrong]
    return pd.DataFrame(
        {
            "node": node_names(graph, ids),
            "true class": class_names(graph.y[ids], classes),
            "predicted": class_names(predicted[wrong], classes),
            "probability": confidence[wrong].numpy(),
            "degree": around.degree[ids.numpy()],
            "homophily": around.homophily[ids.numpy()],
            "distance": around.distance[ids.numpy()],
        }
    )


def _all_right(predicted: Tensor, y: Tensor) -> Tensor:
    return predicted == y if y.dim() == 1 else (predicted == (y > 0.5)).all(1)


def _one_hot(labels: Tensor, num_classes: int) -> Tensor:
    if labels.dim() == 2:
        return labels
    return torch.nn.functional.one_hot(labels, num_classes).bool()
