"""Nodes from a table: an id, features, a label, and perhaps a split."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from redditgnn.dataset.edge_files import AUTO, is_number
from redditgnn.dataset.feature_columns import FeatureColumn
from redditgnn.dataset.node_ids import NodeIds
from redditgnn.dataset.tables import Table, find_column, list_columns, open_table
from redditgnn.dataset.time_columns import read_times
from redditgnn.errors import ConfigError, DataError
from redditgnn.graph.timeline import Times

_IDS = ("id", "node", "node_id", "nodeid", "", "index", "name_id", "unnamed: 0")
_LABELS = ("label", "labels", "y", "class", "target", "category")
_SPLITS = ("split", "subset", "fold", "set")
_MASKS = tuple(
    tuple(spelling.format(part) for part in ("train", validation, "test"))
    for spelling in ("{}_mask", "{}", "is_{}")
    for validation in ("val", "valid", "validation")
)
_LIKE_A_MASK = re.compile(r"(is_)?(train|val|valid|validation|test)(?(1)|_(mask|idx|index)(_\d+)?)")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeColumns:
    """Names of columns, `auto` where they are guessed. None: the file has no such column."""

    id: str | None
    label: str | list[str] | None
    split: str | list[str] | None
    time: str | None
    features: str | list[str]
    has_feature_file: bool
    header: bool | None
    max_categories: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """Columns of the nodes by what they are for."""

    where: str
    ids: NodeIds
    labels: dict[str, Any]
    split: dict[str, Any]
    features: list[FeatureColumn]
    time: Times | None = None
    left_out: list[str] = field(default_factory=list)


def read_nodes(name: str, path: Path, columns: NodeColumns) -> Nodes:
    """Read the nodes block by block.

    Raises:
        DataError: the file is damaged, ids are repeated, or there is no label.
        ConfigError: the file has no such column.
    """
    table = open_table("dataset.nodes", path, lambda row: _is_header(row, columns.header))
    roles = _Roles.of(table, columns)
    explicit = columns.features != AUTO
    features = [FeatureColumn(table.where, c, columns.max_categories) for c in roles.features]
    text: dict[str, list[Any]] = {column: [] for column in roles.text}
    num_rows = 0
    for block in table.blocks(table.columns if not roles.text else roles.all):
        for column in roles.text:
            text[column].append(block[column])
        for feature in features:
            feature.add(block[feature.name])
        num_rows += len(next(iter(block.values())))
    joined = {column: _join(arrays) for column, arrays in text.items()}
    ids = _node_ids(table, roles.id, joined, num_rows)
    usable = _usable(features, explicit, columns.max_categories)
    used = {*roles.text, *(feature.name for feature in usable)}
    left_out = [column for column in table.columns if column not in used]
    _say_columns(name, table, roles, usable, left_out)
    return Nodes(
        where=table.where,
        ids=ids,
        labels={column: joined[column] for column in roles.labels},
        split={column: joined[column] for column in roles.split},
        features=usable,
        time=_times(roles.time, joined, ids),
        left_out=left_out,
    )


def _times(column: str | None, joined: dict[str, Any], ids: NodeIds) -> Times | None:
    if column is None:
        return None
    where = ids.where
    return read_times(column, joined[column], lambda row: f"{where}: node {ids.names[row]}")


def _is_header(row: Sequence[str], header: bool | None) -> bool:
    """Whether a first row names columns: it has a usual name, or no number."""
    if header is not None:
        return header
    usual = (*_IDS[:4], *_LABELS[:3], *_SPLITS[:1])
    return any(cell.lower() in usual for cell in row) or not any(map(is_number, row))


def _join(arrays: list[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_arrays(arrays)


def _node_ids(table: Table, column: str | None, joined: dict[str, Any], num_rows: int) -> NodeIds:
    import pyarrow as pa

    if column is None:
        return NodeIds(table.where, "row", pa.array(np.arange(num_rows)), typed=table.typed)
    return NodeIds(table.where, column, joined[column], typed=table.typed)


def _usable(features: list[FeatureColumn], explicit: bool, most: int) -> list[FeatureColumn]:
    """Drop columns that are neither numbers nor categories, unless they were named."""
    for feature in features if explicit else []:
        if feature.unusable:
            raise ConfigError(
                f"dataset.feature_columns: {feature.name!r} of {feature.where} has the type "
                f"{feature.unusable}, which is no number and no text; leave it out"
            )
        if feature.too_many:
            raise ConfigError(
                f"dataset.feature_columns: {feature.name!r} of {feature.where} has more than "
                f"dataset.max_categories={most} different words; leave it out, or raise that"
            )
    return [feature for feature in features if not (feature.unusable or feature.too_many)]


def _say_columns(
    name: str,
    table: Table,
    roles: _Roles,
    features: Sequence[FeatureColumn],
    left_out: Sequence[str],
) -> None:
    names = list_columns([feature.name for feature in features]) or "none"
    _LOG.warning(
        "dataset=%s: %s: ids from %s, labels from %s, split from %s, features from %s%s%s",
        name,
        table.where.removeprefix("dataset."),
        "row numbers" if roles.id is None else repr(roles.id),
        list_columns(roles.labels) or "no column",
        list_columns(roles.split) or "no column",
        names,
        "" if table.has_header else ", no header",
        f", columns left out: {list_columns(left_out)}" if left_out else "",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Roles:
    """The columns of a table by what they are for."""

    id: str | None
    labels: list[str]
    split: list[str]
    time: str | None
    features: list[str]

    @classmethod
    def of(cls, table: Table, columns: NodeColumns) -> _Roles:
        labels = [] if columns.label is None else _label_columns(table, columns.label)
        split = _split_columns(table, columns.split, labels)
        time = None if columns.time is None else find_column(table, "node_time", columns.time)
        taken = {*labels, *split, *([] if time is None else [time])}
        node_id = _id_column(table, columns.id, taken)
        taken |= {node_id} if node_id is not None else set()
        if isinstance(columns.features, list):
            features = [find_column(table, "feature_columns", c) for c in columns.features]
            _refuse_shared(features, taken)
        elif columns.features != AUTO:
            features = [find_column(table, "feature_columns", columns.features)]
            _refuse_shared(features, taken)
        else:
            rest = [] if columns.has_feature_file else table.columns
            taken |= {c for c in rest if columns.label is None and c.lower() in _LABELS}
            features = [c for c in rest if c not in taken and not _LIKE_A_MASK.fullmatch(c.lower())]
        return cls(id=node_id, labels=labels, split=split, time=time, features=features)

    @property
    def text(self) -> list[str]:
        """The columns that are no features."""
        names = [column for column in (self.id, self.time) if column is not None]
        return list(dict.fromkeys([*names, *self.labels, *self.split]))

    @property
    def all(self) -> list[str]:
        return [*self.text, *self.features]


def _refuse_shared(features: Sequence[str], taken: set[str]) -> None:
    for column in features:
        if column in taken:
            raise ConfigError(
                f"dataset.feature_columns: {column!r} is the id, a label, the split or the time, "
                "and would give the answer away; leave it out"
            )


def _id_column(table: Table, choice: str | None, taken: set[str]) -> str | None:
    if choice is None:
        return None
    if choice != AUTO:
        return find_column(table, "id_column", choice)
    for column in table.columns:
        if column.lower() in _IDS and column not in taken:
            return column
    if not table.has_header:
        return table.columns[0]
    if table.typed:
        return None  # arrays: nodes are numbered
    raise DataError(
        f"{table.where}: no column is called id or node_id; name it with dataset.id_column=COLUMN, "
        "or number the nodes from 0 with dataset.id_column=null; columns are "
        f"{list_columns(table.columns)}"
    )


def _label_columns(table: Table, choice: str | list[str]) -> list[str]:
    if isinstance(choice, list):
        if not choice:
            raise ConfigError("dataset.label_column must name a column, got []")
        return [find_column(table, "label_column", column) for column in choice]
    if choice != AUTO:
        return [find_column(table, "label_column", choice)]
    usual = [column for column in table.columns if column.lower() in _LABELS]
    if len(usual) > 1:
        raise DataError(
            f"{table.where}: the label could be {' or '.join(usual)}; set dataset.label_column"
        )
    if usual:
        return usual
    numbered = [c for c in table.columns if c.lower().startswith(("label_", "y_", "class_"))]
    if len(numbered) > 1:
        return numbered
    if not table.has_header and len(table.columns) > 1:
        return [table.columns[-1]]
    raise DataError(
        f"{table.where}: no column is called label, y or class; name it with "
        f"dataset.label_column=COLUMN, or set it to null to predict; columns are "
        f"{list_columns(table.columns)}"
    )


def _split_columns(
    table: Table, choice: str | list[str] | None, labels: Sequence[str]
) -> list[str]:
    if choice is None:
        return []
    if isinstance(choice, list):
        if len(choice) != 3:
            raise ConfigError(
                "dataset.split_column must be one column, or three masks (training, validation, "
                f"test), got {choice}"
            )
        return [find_column(table, "split_column", column) for column in choice]
    if choice != AUTO:
        return [find_column(table, "split_column", choice)]
    for masks in _MASKS:
        if set(masks) <= set(table.columns):
            return list(masks)
    names = [c for c in table.columns if c.lower() in _SPLITS and c not in labels]
    strange = [c for c in table.columns if _LIKE_A_MASK.fullmatch(c.lower())]
    if strange and not names:
        raise DataError(
            f"{table.where}: {list_columns(strange)} seem to be a split; name three masks with "
            "dataset.split_column=[TRAIN,VAL,TEST], or set dataset.split_column=null to leave them "
            "out"
        )
    return names[:1]
