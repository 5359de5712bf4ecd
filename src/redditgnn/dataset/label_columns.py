"""Labels from columns: words or numbers, one or several a node, blank where there are none."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from numpy import ndarray

from redditgnn.dataset.base import Labels
from redditgnn.dataset.edge_files import is_number
from redditgnn.dataset.labels import (
    NO_LABEL,
    LabelKind,
    choose_kind,
    find_fraction,
    number_classes,
)
from redditgnn.dataset.node_ids import NodeIds
from redditgnn.errors import DataError

_LOG = logging.getLogger(__name__)
SEPARATORS = (";", "|", ",")
_FLAGS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}


@dataclass(frozen=True, slots=True)
class NodeLabels:
    """Labels as a `RawGraph` has them, and the names of the classes."""

    y: Labels
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Codes:
    """A column as its distinct values, and which of them each row has."""

    values: list[str]
    code: Int64[ndarray, " rows"]

    def first_node(self, value: str, ids: NodeIds) -> str:
        """Return the first node with this value."""
        return str(ids.names[int(np.argmax(self.code == self.values.index(value)))])


def encode(where: str, name: str, array: Any) -> tuple[list[str], Int64[ndarray, " rows"]]:
    """Return the distinct cells of an Arrow array as text, and the position of each row's cell.

    Raises:
        DataError: column `name` has lists or other values that are no text and no number.
    """
    import pyarrow as pa

    try:
        text = array.cast(pa.string()) if not pa.types.is_string(array.type) else array
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"{where}: {name!r} has the type {array.type}, it must hold numbers or text; write "
            "several values as one text, or as a column of 0 and 1 for each"
        ) from error
    encoded = text.fill_null("").dictionary_encode()
    code = np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int64)
    return [str(value).strip() for value in encoded.dictionary.to_pylist()], code


def read_labels(
    name: str,
    where: str,
    columns: Mapping[str, Any],
    ids: NodeIds,
    *,
    separator: str | None,
    kind: LabelKind,
) -> NodeLabels:
    """Read the labels from one column of classes, or from several of 0 and 1.

    `kind`: `single` reads one-hot rows as classes.

    Raises:
        DataError: they are real numbers, too many classes or one, or not 0 and 1.
    """
    if len(columns) > 1:
        flags = _read_flags(where, columns, ids)
        return NodeLabels(choose_kind(name, flags, kind), tuple(columns))
    if kind == "multi" and separator is None:
        raise DataError(
            f"{where}: dataset.labels=multi needs a column of 0 and 1 for each label, or "
            "dataset.label_separator; set one of them, or leave dataset.labels out"
        )
    ((column, array),) = columns.items()
    codes = _Codes(*encode(where, column, array))
    if separator is not None:
        return _read_lists(where, column, codes, separator)
    return _read_classes(where, column, codes, ids)


def _read_classes(where: str, name: str, codes: _Codes, ids: NodeIds) -> NodeLabels:
    if (fraction := find_fraction(codes.values)) is not None:
        raise DataError(
            f"{where}: labels in {name!r} must be words or whole numbers, node "
            f"{codes.first_node(fraction, ids)} has {fraction}; regression is not supported: bin "
            "the numbers, or set dataset.label_column to another column"
        )
    index, classes = number_classes(codes.values)
    for value, position in index.items():
        if position == 0 and is_number(value) and float(value) < 0:
            raise DataError(
                f"{where}: labels in {name!r} must be at least 0, or -1 for none, node "
                f"{codes.first_node(value, ids)} has {value}; write classes as words or from 0"
            )
    y = np.array([index.get(value, -1) for value in codes.values], dtype=np.int64)[codes.code]
    _check_classes(where, name, classes, int((y >= 0).sum()))
    _warn_of_lists(where, name, classes)
    return NodeLabels(y, classes)


def _warn_of_lists(where: str, name: str, classes: Sequence[str]) -> None:
    """Warn of a class such as red;blue, where red and blue are classes, too."""
    for separator in SEPARATORS:
        lists = [text for text in classes if separator in text]
        if any({part.strip() for part in text.split(separator)} <= {*classes} for text in lists):
            _LOG.warning(
                "%s: %r is one class in %r (%d such classes); dataset.label_separator='%s' reads "
                "several labels a node",
                *(where, lists[0], name, len(lists), separator),
            )


def _check_classes(where: str, name: str, classes: Sequence[str], num_labelled: int) -> None:
    if not classes:
        raise DataError(
            f"{where}: {name!r} has no labels, all cells are blank, NaN or -1; set "
            "dataset.label_column to another column, or to null to predict"
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: all labels in {name!r} are {classes[0]!r}, so nothing can be learned (-1 "
            "and blank are no label); set dataset.label_column to another column, or to null to "
            "predict"
        )
    if len(classes) == num_labelled:
        raise DataError(
            f"{where}: every label in {name!r} is there once ({num_labelled:,} of them), so they "
            "are no classes; set dataset.label_column to another column"
        )


def _read_lists(where: str, name: str, codes: _Codes, separator: str) -> NodeLabels:
    """Read several classes a cell, as red;blue. A blank cell is a node without labels."""
    lists = [
        [] if value.lower() in NO_LABEL else [word.strip() for word in value.split(separator)]
        for value in codes.values
    ]
    classes = sorted({word for words in lists for word in words if word})
    if len(classes) < 2:
        raise DataError(
            f"{where}: dataset.label_separator={separator!r} finds {len(classes)} classes in "
            f"{name!r}, at least 2 are needed; set it to the character between them, or to null"
        )
    index = {word: position for position, word in enumerate(classes)}
    table = np.zeros((len(lists), len(classes)), dtype=np.float32)
    for row, words in zip(table, lists, strict=True):
        row[[index[word] for word in words if word]] = 1
        if not words:
            row[:] = -1
    return NodeLabels(table[codes.code], tuple(classes))


def _read_flags(
    where: str, columns: Mapping[str, Any], ids: NodeIds
) -> Float32[ndarray, "nodes classes"]:
    """Read a column of 0 and 1 for each class. A row of blanks is a node without labels."""
    y = np.empty((len(ids), len(columns)), dtype=np.float32)
    for position, (name, array) in enumerate(columns.items()):
        values, code = encode(where, name, array)
        table = []
        for number, value in enumerate(values):
            flag = -1.0 if value.lower() in NO_LABEL else _FLAGS.get(value.lower())
            if flag is None:
                node = ids.names[int(np.argmax(code == number))]
                raise DataError(
                    f"{where}: a label column for each class must hold 0 or 1, {name!r} has "
                    f"{value!r} at node {node}; name one column of classes, or correct it"
                )
            table.append(flag)
        y[:, position] = np.array(table, dtype=np.float32)[code]
    _refuse_partial_rows(where, y, ids)
    return y


def _refuse_partial_rows(where: str, y: ndarray, ids: NodeIds) -> None:
    partial = (y == -1).any(axis=1) & (y != -1).any(axis=1)
    if partial.any():
        raise DataError(
            f"{where}: node {ids.names[int(np.argmax(partial))]} has a label in some label columns "
            "and blanks in others; fill in all of them, or none"
        )
    if (y == -1).all():
        raise DataError(
            f"{where}: no node has a label; set dataset.label_column to other columns, or to null "
            "to predict"
        )
