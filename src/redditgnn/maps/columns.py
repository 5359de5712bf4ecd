"""What a map can colour its nodes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from redditgnn.errors import DataError, require
from redditgnn.graph.data import SPLITS, GraphData

NONE = "none"


@dataclass(frozen=True)
class Category:
    """A column of `names`: `codes` are positions in them."""

    name: str
    codes: Int[ndarray, " nodes"]
    names: Sequence[str]


@dataclass(frozen=True)
class Number:
    """A column of numbers. NaN is a node without a value."""

    name: str
    values: Float[ndarray, " nodes"]


Column = Category | Number


def category(name: str, codes: Int[ndarray, " nodes"], names: Sequence[str]) -> Category:
    """Return a category in which nodes whose code is -1 have the last name, `none`."""
    if (codes >= 0).all():
        return Category(name, codes, tuple(names))
    return Category(name, np.where(codes < 0, len(names), codes), (*names, NONE))


def graph_columns(graph: GraphData) -> Iterator[Column]:
    """Return label, split and degree. Nodes with several labels have no label column."""
    if graph.y.dim() == 1:
        yield category("label", graph.y.numpy(), graph.class_names)
    split = np.full(graph.num_nodes, -1)
    for code, name in enumerate(SPLITS):
        split[graph.mask(name).numpy()] = code
    yield category("split", split, SPLITS)
    yield Number("degree", graph.degree.numpy().astype(np.float64))


def answer_columns(
    y: Int[ndarray, " nodes"], classes: Sequence[str], probability: Float[ndarray, "nodes classes"]
) -> Iterator[Column]:
    """Return what a model with one label a node predicts, how surely, and whether it is right.

    `y` are the labels as the model numbers the `classes`, -1 for none.
    """
    predicted = probability.argmax(1)
    yield Category("prediction", predicted, tuple(classes))
    outcome = np.where(y < 0, -1, np.where(predicted == y, 0, 1))
    yield category("outcome", outcome, ("right", "wrong"))
    yield Number("confidence", probability.max(1).astype(np.float64))


def community_column(folder: Path, num_nodes: int) -> Category:
    """Return the communities that `redditgnn communities` wrote into `folder`.

    Raises:
        DataError: there are none, or they are of another graph.
    """
    path = folder / "membership.npy"
    if not path.is_file():
        raise DataError(
            f"map.communities={folder} has no membership.npy; name a folder that 'redditgnn "
            "communities' wrote"
        )
    membership = np.load(path)
    if membership.shape != (num_nodes,):
        raise DataError(
            f"map.communities={folder} is of a graph of {len(membership):,} nodes, this one has "
            f"{num_nodes:,}; find the communities of this graph"
        )
    names = tuple(map(str, range(int(membership.max(initial=0)) + 1)))
    return Category("community", membership, names)


def file_columns(path: Path, nodes: Sequence[str] | range) -> Iterator[Column]:
    """Return the columns of a CSV file, whose column `node` holds the ids of nodes.

    A column of numbers is a Number, any other a Category. Nodes that the file lacks have no value.

    Raises:
        DataError: the file cannot be read, or has no column `node`, or a node twice.
    """
    try:
        table = pd.read_csv(path, dtype={"node": str})
    except (OSError, ValueError) as error:
        raise DataError(f"map.columns={path} cannot be read ({error}); give a CSV file") from error
    if "node" not in table or table["node"].duplicated().any():
        raise DataError(f"map.columns={path} must have a column node that holds each id once")
    table = table.set_index("node").reindex(list(map(str, nodes)))
    require(
        bool(table.notna().to_numpy().any()),
        f"map.columns={path} must hold ids of this graph in its column node, and has none of them",
    )
    for name, values in table.items():
        if pd.api.types.is_numeric_dtype(values):
            yield Number(str(name), values.to_numpy(np.float64))
        else:
            codes, names = pd.factorize(values, sort=True)
            yield category(str(name), codes, tuple(map(str, names)))
