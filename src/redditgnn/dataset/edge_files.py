"""Edges from a table: two columns of node ids, and perhaps one of weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int32
from numpy import ndarray

from redditgnn.dataset.node_ids import UNKNOWN, NodeIds, find_blank
from redditgnn.dataset.tables import Table, as_numpy, find_column, list_columns, open_table
from redditgnn.dataset.time_columns import read_times
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.timeline import Times

AUTO = "auto"
_SOURCES = ("src", "source", "from", "fromnodeid", "source_id", "src_id", "head", "citing", "u")
_DESTINATIONS = (
    *("dst", "destination", "to", "tonodeid", "target", "target_id", "dst_id", "dest", "tail"),
    *("cited", "v"),
)
_WEIGHTS = ("weight", "weights", "edge_weight", "w")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeColumns:
    """Names of columns, `auto` where they are guessed. Without `weight` all edges count alike.

    `time` is never guessed: edges at different times are different edges.
    """

    source: str
    destination: str
    weight: str | None
    time: str | None
    header: bool | None
    unknown_ids: Literal["drop", "refuse"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Edges:
    """Edges by the indices of their nodes. `facts` has what was left out."""

    edge_index: Int32[ndarray, "2 edges"]
    weight: Float32[ndarray, " edges"] | None
    time: Times | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def read_edges(name: str, path: Path, columns: EdgeColumns, ids: NodeIds) -> Edges:
    """Read the edges between nodes with these ids, block by block.

    Raises:
        DataError: a cell is no weight or no id, or `columns.unknown_ids` refuses an edge.
        ConfigError: the file has no such column.
    """
    table = open_table("dataset.edges", path, lambda row: _is_header(row, columns, ids))
    time = None if columns.time is None else find_column(table, "edge_time", columns.time)
    source, destination, weight = _choose_columns(table, columns, time)
    _say_columns(name, table, source, destination, weight, time)
    reader = _Reader(table, ids, source, destination, weight, time)
    edges = reader.read()
    unknown = reader.num_rows - edges.edge_index.shape[1]
    if unknown:
        _judge_unknown(name, reader, unknown, columns)
    used = (source, destination, weight, time)
    facts = {
        "edges_file": path.name,
        "edge_rows": reader.num_rows,
        "unknown_ids": unknown,
        "edge_values_left_out": [column for column in table.columns if column not in used],
    }
    return replace(edges, facts=facts)


def _is_header(row: Sequence[str], columns: EdgeColumns, ids: NodeIds) -> bool:
    """Whether a first row names columns: it has no id of a node, and not only numbers."""
    if columns.header is not None:
        return columns.header
    if any(cell.lower() in (*_SOURCES, *_DESTINATIONS) for cell in row[:2]):
        return True
    return not any(cell in ids for cell in row[:2]) and not all(map(is_number, row))


def is_number(text: str) -> bool:
    """Whether `text` is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choose_columns(
    table: Table, columns: EdgeColumns, time: str | None
) -> tuple[str, str, str | None]:
    if len(table.columns) < 2:
        raise DataError(
            f"{table.where} has one column ({list_columns(table.columns)}); edges need two: source "
            "and destination, separated by a comma or a tab"
        )
    source = _choose(table, "source_column", columns.source, _SOURCES)
    destination = _choose(table, "destination_column", columns.destination, _DESTINATIONS)
    rest = [name for name in table.columns if name not in (source, destination, time)]
    source = source or rest.pop(0)
    destination = destination or rest.pop(0)
    if time in (source, destination):
        raise ConfigError(f"dataset.edge_time={time} is a column of nodes; name another column")
    if source == destination:
        raise DataError(
            f"{table.where}: dataset.source_column and dataset.destination_column are both "
            f"{source!r}; name two columns"
        )
    return source, destination, _choose_weight(table, columns.weight, rest)


def _choose_weight(table: Table, choice: str | None, rest: Sequence[str]) -> str | None:
    if choice is None:
        return None
    weight = _choose(table, "edge_weight", choice, _WEIGHTS)
    if weight is None and not table.has_header and len(rest) == 1:
        return rest[0]
    return weight


def _choose(table: Table, key: str, choice: str, synonyms: Sequence[str]) -> str | None:
    if choice != AUTO:
        return find_column(table, key, choice)
    return next((name for name in table.columns if name.lower() in synonyms), None)


def _say_columns(
    name: str, table: Table, source: str, destination: str, weight: str | None, time: str | None
) -> None:
    used = (source, destination, weight, time)
    rest = [column for column in table.columns if column not in used]
    _LOG.warning(
        "dataset=%s: %s: edges are %s -> %s, weights %s%s%s%s",
        name,
        table.where.removeprefix("dataset."),
        source,
        destination,
        f"from {weight} (dataset.edge_weight=false for none)" if weight else "none",
        f", times from {time}" if time else "",
        "" if table.has_header else ", no header",
        f", columns left out: {list_columns(rest)}" if rest else "",
    )


class _Reader:
    """Reads blocks of edges into 32-bit indices, and counts the rows."""

    def __init__(
        self,
        table: Table,
        ids: NodeIds,
        source: str,
        destination: str,
        weight: str | None,
        time: str | None,
    ) -> None:
        self.table, self.ids = table, ids
        self._ends, self._weight, self._time = (source, destination), weight, time
        self._times: list[Any] = []  # of all rows, and which of them are edges between known ids
        self._known: list[ndarray] = []
        self.num_rows = 0
        self.first_unknown: tuple[int, Any] | None = None

    def read(self) -> Edges:
        """Read all blocks, and drop edges to unknown ids."""
        pieces: list[tuple[ndarray, ndarray | None]] = []
        columns = [*self._ends, *filter(None, (self._weight, self._time))]
        for block in self.table.blocks(columns):
            pieces.append(self._read_block(block))
        num_edges = sum(piece.shape[1] for piece, _ in pieces)
        edge_index = np.empty((2, num_edges), dtype=np.int32)
        weight = np.empty(num_edges, dtype=np.float32) if self._weight else None
        end = num_edges
        while pieces:  # from the last, so that each piece is freed when it was copied
            piece, weights = pieces.pop()
            start = end - piece.shape[1]
            edge_index[:, start:end] = piece
            if weight is not None:
                weight[start:end] = weights
            end = start
        return Edges(edge_index=edge_index, weight=weight, time=self._read_times())

    def _read_times(self) -> Times | None:
        """Return the times of the edges, from all blocks at once: they must be of one kind."""
        import pyarrow as pa

        if self._time is None:
            return None
        if not self._times:
            return np.empty(0, dtype=np.int64)
        where = self.table.where
        times = read_times(
            self._time, pa.concat_arrays(self._times), lambda row: f"{where}: edge {row + 1:,}"
        )
        return times[np.concatenate(self._known)]

    def _read_block(self, block: Any) -> tuple[ndarray, ndarray | None]:
        ends = np.stack([self._read_ids(block[name], name) for name in self._ends])
        weights = None if self._weight is None else self._read_weights(block[self._weight])
        known = (ends != UNKNOWN).all(axis=0)
        if self.first_unknown is None and not known.all():
            self._remember_unknown(block, ends, int(np.argmin(known)))
        self.num_rows += ends.shape[1]
        if self._time is not None:
            self._times.append(block[self._time])
            self._known.append(known)
        if known.all():
            return ends, weights
        return ends[:, known], None if weights is None else weights[known]

    def _read_ids(self, array: Any, column: str) -> Int32[ndarray, " rows"]:
        index = self.ids.index_of(self.table.where, array, typed=self.table.typed)
        if (index == UNKNOWN).any() and (row := find_blank(array)) is not None:
            raise DataError(
                f"{self.table.where}: edge {self.num_rows + row + 1:,} has no id in {column!r}; "
                "every edge needs two"
            )
        return index

    def _read_weights(self, array: Any) -> Float32[ndarray, " rows"]:
        import pyarrow as pa

        try:
            weights = as_numpy(array.cast(pa.float64())).astype(np.float32)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self._weight_error(array) from error
        if np.isnan(weights).any():
            raise self._weight_error(array, int(np.argmax(np.isnan(weights))))
        usable = np.isfinite(weights) & (weights >= 0)
        if not usable.all():
            row = int(np.argmin(usable))
            raise DataError(
                f"{self.table.where}: edge weights must be finite and at least 0, edge "
                f"{self.num_rows + row + 1:,} has {weights[row]:g} in {self._weight!r}; correct "
                "it, or set dataset.edge_weight=false to count all edges alike"
            )
        return weights

    def _weight_error(self, array: Any, position: int | None = None) -> DataError:
        values = array.to_pylist()
        if position is None:
            bad = (k for k, value in enumerate(values) if not is_number(str(value)))
            position = next(bad, 0)
        return DataError(
            f"{self.table.where}: the weight of edge {self.num_rows + position + 1:,} must be a "
            f"number, got {values[position]!r} in {self._weight!r}; set dataset.edge_weight=false, "
            "or to another column"
        )

    def _remember_unknown(self, block: Any, ends: ndarray, position: int) -> None:
        column = self._ends[int(np.argmax(ends[:, position] == UNKNOWN))]
        self.first_unknown = (self.num_rows + position + 1, block[column][position].as_py())


def _judge_unknown(name: str, reader: _Reader, unknown: int, columns: EdgeColumns) -> None:
    """Say how many edges were dropped, or refuse them. That none is left is always an error."""
    assert reader.first_unknown is not None
    edge, value = reader.first_unknown
    example = f"the first is edge {edge:,}, to {value!r}"
    if unknown == reader.num_rows:
        raise DataError(
            f"{reader.table.where}: no edge joins two nodes of {reader.ids.where} ({example}, ids "
            f"there are as {reader.ids.names[0].item()!r}); ids must be spelt alike, or name the "
            "columns with dataset.id_column, source_column and destination_column"
        )
    if columns.unknown_ids == "refuse":
        raise DataError(
            f"{reader.table.where}: {unknown:,} of {reader.num_rows:,} edges have ids that "
            f"{reader.ids.where} lacks ({example}); add the nodes, or set dataset.unknown_ids=drop"
        )
    _LOG.warning(
        "dataset=%s: %s of %s edges are dropped, since %s lacks their ids (%s)",
        name,
        f"{unknown:,}",
        f"{reader.num_rows:,}",
        reader.ids.where,
        example,
    )
