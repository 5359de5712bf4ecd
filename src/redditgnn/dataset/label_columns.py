"""Labels from columns: words or numbers, one or several a node, blank where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from redditgnn.dataset.base import Labels
from redditgnn.dataset.edge_files import is_number
from redditgnn.dataset.node_ids import NodeIds
from redditgnn.errors import DataError

BLANKS = ("", "nan", "na", "null", "-1", "-1.0")  # in small letters: a node without a label
_WHOLE = re.compile(r"(0|-?[1-9]\d*)(\.0*)?")
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


def encode(array: Any) -> tuple[list[str], Int64[ndarray, " rows"]]:
    """Return the distinct cells of an Arrow array as text, and the position of each row's cell."""
    import pyarrow as pa

    text = array.cast(pa.string()) if not pa.types.is_string(array.type) else array
    encoded = text.fill_null("").dictionary_encode()
    code = np.asarray(encoded.indices.to_numpy(zero_copy_only=False)).astype(np.int64)
    return [str(value).strip() for value in encoded.dictionary.to_pylist()], code


def read_labels(
    where: str, columns: Mapping[str, Any], separator: str | None, ids: NodeIds
) -> NodeLabels:
    """Read the labels from one column of classes, or from several of 0 and 1.

    Raises:
        DataError: they are real numbers, too many classes or one, or not 0 and 1.
    """
    if len(columns) > 1:
        return _read_flags(where, columns, ids)
    ((name, array),) = columns.items()
    codes = _Codes(*encode(array))
    if separator is not None:
        return _read_lists(where, name, codes, separator)
    return _read_classes(where, name, codes, ids)


def _read_classes(where: str, name: str, codes: _Codes, ids: NodeIds) -> NodeLabels:
    values = {value for value in codes.values if value.lower() not in BLANKS}
    if values and all(map(is_number, values)) and any(map(_has_fraction, values)):
        _refuse_fractions(where, name, codes, ids)
    whole = all(map(_WHOLE.fullmatch, values))
    spelling = {value: value.partition(".")[0] if whole else value for value in values}
    classes = sorted(set(spelling.values()), key=int if whole else None)
    index = {name: position for position, name in enumerate(classes)}
    table = [index[spelling[value]] if value in spelling else -1 for value in codes.values]
    y = np.array(table, dtype=np.int64)[codes.code]
    _check_classes(where, name, classes, int((y >= 0).sum()))
    return NodeLabels(y, tuple(classes))


def _has_fraction(number: str) -> bool:
    return float(number) % 1 != 0


def _check_classes(where: str, name: str, classes: Sequence[str], num_labelled: int) -> None:
    if not classes:
        raise DataError(
            f"{where}: {name!r} has no labels, all cells are blank, NaN or -1; set "
            "dataset.label_column to another column"
        )
    if len(classes) == 1:
        raise DataError(
            f"{where}: all labels in {name!r} are {classes[0]!r}, so nothing can be learned (-1 "
            "and blank are no label); set dataset.label_column to another column"
        )
    if len(classes) == num_labelled:
        raise DataError(
            f"{where}: every label in {name!r} is there once ({num_labelled:,} of them), so they "
            "are no classes; set dataset.label_column to another column"
        )


def _refuse_fractions(where: str, name: str, codes: _Codes, ids: NodeIds) -> None:
    for position, value in enumerate(codes.values):
        if value.lower() not in BLANKS and _has_fraction(value):
            row = int(np.argmax(codes.code == position))
            raise DataError(
                f"{where}: labels in {name!r} must be words or whole numbers, node "
                f"{ids.names[row]} has {value}; regression is not supported: bin the numbers, or "
                "set dataset.label_column to another column"
            )


def _read_lists(where: str, name: str, codes: _Codes, separator: str) -> NodeLabels:
    """Read several classes a cell, as red;blue. A blank cell is a node without labels."""
    lists = [
        [] if value.lower() in BLANKS else [word.strip() for word in value.split(separator)]
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


def _read_flags(where: str, columns: Mapping[str, Any], ids: NodeIds) -> NodeLabels:
    """Read a column of 0 and 1 for each class. A row of blanks is a node without labels."""
    y = np.empty((len(ids), len(columns)), dtype=np.float32)
    for position, (name, array) in enumerate(columns.items()):
        values, code = encode(array)
        table = []
        for number, value in enumerate(values):
            flag = -1.0 if value.lower() in BLANKS else _FLAGS.get(value.lower())
            if flag is None:
                node = ids.names[int(np.argmax(code == number))]
                raise DataError(
                    f"{where}: a label column for each class must hold 0 or 1, {name!r} has "
                    f"{value!r} at node {node}; name one column of classes, or correct it"
                )
            table.append(flag)
        y[:, position] = np.array(table, dtype=np.float32)[code]
    _refuse_partial_rows(where, y, ids)
    return NodeLabels(y, tuple(columns))


def _refuse_partial_rows(where: str, y: ndarray, ids: NodeIds) -> None:
    partial = (y == -1).any(axis=1) & (y != -1).any(axis=1)
    if partial.any():
        raise DataError(
            f"{where}: node {ids.names[int(np.argmax(partial))]} has a label in some label columns "
            "and blanks in others; fill in all of them, or none"
        )
    if (y == -1).all():
        raise DataError(f"{where}: no node has a label; set dataset.label_column to other columns")
