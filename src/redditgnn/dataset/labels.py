"""Labels as files have them: numbers, words, columns of zeros and ones, with blanks."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from redditgnn.dataset.arrays import as_array, integers, is_missing, numbers
from redditgnn.dataset.base import Labels
from redditgnn.dataset.edge_files import is_number
from redditgnn.dataset.tables import MISSING
from redditgnn.errors import DataError

LabelKind = Literal["single", "multi"] | None
NO_LABEL = (*MISSING, "-1", "-1.0")  # in small letters
_WHOLE = re.compile(r"(0|-?[1-9]\d*)(\.0*)?")
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
    if isinstance(value, (int, float, str)) or getattr(value, "ndim", None) == 0:
        value = [value]
    array = as_array(name, "y", value)
    if array.ndim == 2 and array.shape[0] == 1 and array.shape[1] == num_nodes != 1:
        array = array[0]
    if len(array) == 1 != num_nodes:
        raise DataError(
            f"dataset={name}: y has one label for a graph of {num_nodes:,} nodes; every node needs "
            "a label, and classification of whole graphs is not supported"
        )
    if len(array) != num_nodes:
        few = "; give -1 to nodes without a label" if len(array) < num_nodes else ""
        raise DataError(
            f"dataset={name}: every node needs features and a label, got {num_nodes:,} feature "
            f"rows and {len(array):,} labels{few}"
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
        return _words(name, array) if _is_text(array) else NamedLabels(_classes(name, array))
    return NamedLabels(_columns(name, numbers(name, "y", array), kind))


def _is_text(array: ndarray) -> bool:
    if array.dtype.kind == "O":
        return any(isinstance(entry, str) and not is_missing(entry) for entry in array)
    return array.dtype.kind in "US"


def _words(name: str, array: ndarray) -> NamedLabels:
    known = np.array([not is_missing(entry) for entry in array.tolist()], dtype=bool)
    words, code = np.unique(array[known].astype(str), return_inverse=True)
    values = [word.strip() for word in words.tolist()]
    if (fraction := find_fraction(values)) is not None:
        node = int(np.flatnonzero(known)[np.argmax(code == values.index(fraction))])
        raise DataError(
            f"dataset={name}: labels must be words or whole numbers, node {node} has {fraction}; "
            "regression is not supported"
        )
    index, classes = number_classes(values)
    y = np.full(len(array), -1, dtype=np.int64)
    y[known] = np.array([index.get(value, -1) for value in values], dtype=np.int64)[code]
    return NamedLabels(y, classes)


def number_classes(values: Iterable[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the class of each cell, and the names of the classes. Blanks have no class.

    Whole numbers are in their order, and 1.0 is 1. Words are in alphabetical order.
    """
    known = {value for value in values if value.lower() not in NO_LABEL}
    whole = all(map(_WHOLE.fullmatch, known))
    spelling = {value: value.partition(".")[0] if whole else value for value in known}
    classes = sorted(set(spelling.values()), key=int if whole else None)
    index = {name: position for position, name in enumerate(classes)}
    return {value: index[name] for value, name in spelling.items()}, tuple(classes)


def find_fraction(values: Iterable[str]) -> str | None:
    """Return the first cell with a fraction, None if there is none or a cell is a word."""
    known = [value for value in values if value.lower() not in NO_LABEL]
    if not all(map(is_number, known)):
        return None
    return next((value for value in known if float(value) % 1 != 0), None)


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
    return choose_kind(name, table, kind)


def choose_kind(name: str, table: Float32[ndarray, "nodes classes"], kind: LabelKind) -> Labels:
    """Return the class of each row of 0/1 if `kind` is single, else `table`. One-hot rows are said.

    Raises:
        DataError: `kind` is single, and a row is not one-hot.
    """
    unlabelled = (table == -1).all(axis=1)
    known = table[~unlabelled]
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
            f"dataset={name}: dataset.labels=single needs one 1 in each row of labels, and some "
            "rows have none or several; set dataset.labels=multi"
        )
    classes: ndarray = np.where(unlabelled, -1, table.argmax(axis=1)).astype(np.int64)
    return classes


def _shown(row: ndarray) -> str:
    text = ", ".join(f"{value:g}" for value in row[:4].tolist())
    return f"[{text}{', ...' * (len(row) > 4)}]"
