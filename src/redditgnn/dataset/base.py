"""The dataset contract.

A dataset is a function `load(data_dir, **yaml)` that returns a `GraphData`, see `Load`. Most have
three steps. They read files into a `RawGraph`. `redditgnn.dataset.validation.convert_graph` checks
and sorts it. `redditgnn.dataset.cache.cached` saves the `ConvertedGraph` and maps it into memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from jaxtyping import Bool, Float32, Int64, Integer, Real
from numpy import ndarray

from redditgnn.graph.data import NO_NAMES, GraphData, Names
from redditgnn.graph.sparse_features import SparseFeatures


class Load(Protocol):
    """Loads a dataset. Keyword arguments are the keys of its YAML file."""

    def __call__(self, data_dir: Path, **settings: Any) -> GraphData:
        """Return the graph whose files are below `data_dir`, downloaded first where possible.

        Raises:
            DataError: the files are missing, damaged, or not the expected ones.
        """
        ...


MASKS = ("train_mask", "val_mask", "test_mask")


Mask = Bool[ndarray, " nodes"]


Labels = Int64[ndarray, " nodes"] | Float32[ndarray, "nodes classes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RawGraph:
    """The unchecked graph from the files. `edge_index` is (source, destination).

    `y` is -1 for a node without a label, or a row of -1 where nodes carry several labels. `masks`
    select training, validation and test nodes, in this order. They are one of `num_splits` splits
    in the files, which `dataset.split_index` numbers. `node_time` and `edge_time` are in one unit,
    seconds where the files have dates or clocks. `edge_values_left_out` describes what the
    files have for edges beside a weight.
    """

    x: Float32[ndarray, "rows features"] | SparseFeatures
    edge_index: Integer[ndarray, "2 edges"]
    y: Int64[ndarray, " labels"] | Float32[ndarray, "labels classes"]
    masks: tuple[
        Bool[ndarray, " train"] | None, Bool[ndarray, " val"] | None, Bool[ndarray, " test"] | None
    ]
    edge_weight: Float32[ndarray, " weights"] | None = None
    node_time: Real[ndarray, " node_times"] | None = None
    edge_time: Real[ndarray, " edge_times"] | None = None
    names: Names = NO_NAMES
    num_splits: int = 1
    edge_values_left_out: tuple[str, ...] = ()

    def node_name(self, index: int) -> str:
        """Return what the files call a node."""
        return str(index if self.names.nodes is None else self.names.nodes[index])


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeRules:
    """What becomes of edges in the files that a graph cannot hold, or holds only in part.

    Attributes:
        undirected: Whether the reverse of every edge is added where the files lack it. None adds
            none either, and warns.
        duplicates: What becomes of an edge that is listed again: only the `first` counts, the
            `sum` of their weights does (1 each where the files have no weights), or an error.
            Where edges have times, one at another time is another edge: a contact of its own.
        self_loops: Whether an edge from a node to itself is left out or is an error.
    """

    undirected: bool | None = None
    duplicates: Literal["first", "sum", "refuse"] = "first"
    self_loops: Literal["drop", "refuse"] = "drop"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvertedGraph:
    """The arrays of a `GraphData` by name, facts to store with them, and the raw files.

    `arrays` may hold `edge_weight`, `node_time` and `edge_time`. Features are `x`, or what
    `feature_storage.arrays_of` returns.
    """

    arrays: dict[str, ndarray]
    num_classes: int
    names: Names = NO_NAMES
    facts: dict[str, Any] = field(default_factory=dict)
    raw_files: tuple[Path, ...] = ()
