"""Labels as files have them: numbers, words, columns of zeros and ones, with blanks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from redditgnn.dataset.arrays import as_array, integers, is_missing, numbers
from redditgnn.dataset.base import Labels
from redditgnn.errors import DataError

LabelKind = Literal["single", "multi"] | None
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedLabels:
    """Labels as a graph holds them, and what the files call the classes if these are words."""

    y: Labels
    classes: tuple[str, ...] | None = None


def label_column(name: str, value: Any, num_nodes: int) -> ndarray:
    """Return the labels of one graph as an array [nodes] or [nodes, columns].

    Raises:
        DataError: they are no array, or there are more or fewer of them than nodes.
    """
    array = as_array(name, "y", value)
    if array.ndim == 2 and array.shape[0] == 1 and array.shape[1] == num_nodes != 1:
        array = array[0]
    if len(array) == 1 != num_nodes:
        raise DataError(
            f"dataset={name}: y has one label for a graph of {num_nodes:,} nodes; every node needs "
            "a label, and classification of whole graphs is not supported"
        )
    if len(array) != num_nodes:
        raise DataError(
            f"dataset={name}: every node needs features and a label, got {num_nodes:,} feature "
            f"rows and {len(array):,} labels; give -1 to nodes without a label"
        )
    if array.ndim > 2:
        raise DataError(f"dataset={name}: y must have one or two dimensions, got {array.ndim}")
    return array


def read_labels(name: str, array: ndarray, kind: LabelKind = None) -> NamedLabels:
    """Read labels [nodes] as classes, and [nodes, columns] as several labels a node.

    `kind` says what they are where that can be mistaken: one-hot rows are read as several labels
    unless it is `single`. -1, NaN and blanks are nodes without a label.

    Raises:
        DataError: names the first node whose label has a fraction, or is not 0 or 1.
    """
    if array.ndim == 2 and array.shape[1] == 1 and kind != "multi":
        array = array[:, 0]
    if array.ndim == 1 and kind == "multi":
        raise DataError(
            f"dataset={name}: dataset.labels=multi needs a column of 0 and 1 for each label, "
            "got one column; leave it out"
        )
    if array.ndim == 1:
        return _words(array) if _is_text(array) else NamedLabels(_classes(name, array))
    return NamedLabels(_columns(name, numbers(name, "y", array), kind))


def _is_text(array: ndarray) -> bool:
    if array.dtype.kind == "O":
        return any(isinstance(entry, str) and not is_missing(entry) for entry in array)
    return array.dtype.kind in "US"


def _words(array: ndarray) -> NamedLabels:
    """Number the words in alphabetical order."""
    known = np.array([not is_missing(entry) for entry in array.tolist()], dtype=bool)
    y = np.full(len(array), -1, dtype=np.int64)
    words, y[known] = np.unique(array[known].astype(str), return_inverse=True)
    return NamedLabels(y, tuple(words.tolist()))


def _classes(name: str, array: ndarray) -> Labels:
    array = numbers(name, "y", array)
    if array.dtype.kind != "f":
        return integers(name, "y", array)
    array = np.where(np.isnan(array), -1, array)
    fraction = ~np.isfinite(array) | (array != np.trunc(array))
    if fraction.any():
        node = int(np.argmax(fraction))
        raise DataError(
            f"dataset={name}: labels must be whole numbers, node {node} has {array[node]:g}; "
            "regression is not supported"
        )
    return integers(name, "y", array)


def _columns(name: str, array: ndarray, kind: LabelKind) -> Labels:
    """Return 0/1 in float32, or the class of each row if `kind` is single."""
    table = array.astype(np.float32)
    unlabelled = np.isnan(table).all(axis=1) | (table == -1).all(axis=1)
    table[unlabelled] = -1
    known = table[~unlabelled]
    usable = np.isin(known, (0.0, 1.0)).all(axis=1)
    if not usable.all():
        node = int(np.flatnonzero(~unlabelled)[np.argmin(usable)])
        raise DataError(
            f"dataset={name}: multi-label targets must be 0 or 1, the files differ: node {node} "
            f"has {_shown(table[node])}; choose one column of classes, or give each label a column"
        )
    one_hot = table.shape[1] > 1 and len(known) > 0 and bool((known.sum(axis=1) == 1).all())
    if kind == "single":
        return _one_hot_classes(name, table, unlabelled, one_hot)
    if one_hot and kind is None:
        _LOG.warning(
            "dataset=%s: every node has one of %d labels, and they are read as several labels a "
            "node; dataset.labels=single reads them as classes, dataset.labels=multi is silent",
            *(name, table.shape[1]),
        )
    return table


def _one_hot_classes(name: str, table: ndarray, unlabelled: ndarray, one_hot: bool) -> Labels:
    if not one_hot:
        raise DataError(
            f"dataset={name}: dataset.labels=single needs one 1 in each row of y, and some rows "
            "have none or several; set dataset.labels=multi"
        )
    classes: ndarray = np.where(unlabelled, -1, table.argmax(axis=1)).astype(np.int64)
    return classes


def _shown(row: ndarray) -> str:
    text = ", ".join(f"{value:g}" for value in row[:4].tolist())
    return f"[{text}{', ...' * (len(row) > 4)}]"
