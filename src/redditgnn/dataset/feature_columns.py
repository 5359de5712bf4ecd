"""Features from columns and files: numbers as they are, words one-hot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from redditgnn.dataset.array_tables import array_names, load_arrays
from redditgnn.dataset.arrays import check_room, features_of_matrix
from redditgnn.dataset.edge_files import is_number
from redditgnn.dataset.feature_storage import Features
from redditgnn.dataset.label_columns import encode
from redditgnn.dataset.node_ids import NodeIds
from redditgnn.dataset.rawfiles import describe_error
from redditgnn.dataset.tables import MISSING, as_numpy, check_file
from redditgnn.errors import DataError
from redditgnn.graph.csr import CSR
from redditgnn.graph.sparse_features import SparseFeatures

Missing = Literal["refuse", "zero", "mean"]

# 0,844 and 1.234,5 and 1,234 and 12 %: numbers to a person, and words to a parser.
FORMATTED_NUMBER = re.compile(r"[-+]?\d+([.,' ]\d{3})*([.,]\d+)?\s?%?")


@dataclass(slots=True)
class FeatureColumn:
    """A column that is read block by block, as numbers or as words.

    More than `max_words` different words make `too_many`: they are no categories.
    """

    where: str
    name: str
    max_words: int
    numbers: list[Float32[ndarray, " rows"]] = field(default_factory=list)
    words: list[tuple[list[str], ndarray]] = field(default_factory=list)
    too_many: bool = False
    unusable: str = ""
    _is_words: bool | None = None
    _num_rows: int = 0

    def add(self, array: Any) -> None:
        """Take the next block.

        Raises:
            DataError: it has numbers and words.
        """
        if self.too_many or self.unusable:
            return
        if not _is_text(array):
            self._add_numbers(array)
        else:
            self._add_text(array)
        self._num_rows += len(array)

    def _add_numbers(self, array: Any) -> None:
        import pyarrow as pa

        try:
            self.numbers.append(as_numpy(array.cast(pa.float64())).astype(np.float32))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            if not pa.types.is_boolean(array.type):
                self.unusable = str(array.type)
                return
            self.numbers.append(as_numpy(array.cast(pa.int8())).astype(np.float32))
        self._is_words = False

    def _add_text(self, array: Any) -> None:
        numbers = None if self._is_words else _parse_numbers(array)
        if numbers is not None:
            self.numbers.append(numbers)
            if not np.isnan(numbers).all():
                self._is_words = False
            return
        self._refuse_numbers(array)
        values, code = encode(self.where, self.name, array)
        self.words.append((values, code))
        self._is_words = True
        if len({value for block, _ in self.words for value in block if value}) > self.max_words:
            self.too_many = True
            self.words.clear()

    def _refuse_numbers(self, array: Any) -> None:
        """Refuse words in a column of numbers, and numbers that are written for people."""
        cells = array.to_pylist()
        filled = [cell for cell in cells if cell and cell.lower() not in MISSING]
        words = [cell for cell in filled if not is_number(cell)]
        formatted = [word for word in words if FORMATTED_NUMBER.fullmatch(word)]
        if 2 * len(formatted) > len(filled):
            raise DataError(
                f"{self.where}: {self.name!r} holds numbers such as {formatted[0]!r}; write them "
                "as 1234.5, or name the features with dataset.feature_columns"
            )
        if words and (self._is_words is False or 2 * len(words) < len(filled)):
            row = self._num_rows + cells.index(words[0]) + 1
            raise DataError(
                f"{self.where}: {self.name!r} holds numbers, except {words[0]!r} at node number "
                f"{row:,}; correct it, or name the features with dataset.feature_columns"
            )

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def names(self) -> list[str]:
        """The name of the feature, or one for each word."""
        if not self._is_words:
            return [self.name]
        return [f"{self.name}={word}" for word in self._distinct()]

    def _distinct(self) -> list[str]:
        return sorted({word for block, _ in self.words for word in block if word})

    def write(self, x: Float32[ndarray, "nodes width"]) -> None:
        """Write the column into its part of the features, and forget it."""
        if not self._is_words:
            x[:, 0] = np.concatenate(self.numbers)
            self.numbers.clear()
            return
        index = {word: position for position, word in enumerate(self._distinct())}
        start = sum(map(len, self.numbers))  # blocks of blanks before the first word
        x[:] = 0
        for values, code in self.words:
            position = np.array([index.get(value, -1) for value in values])[code]
            rows = np.flatnonzero(position >= 0)
            x[start + rows, position[rows]] = 1
            start += len(code)
        self.words.clear()


def _is_text(array: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(array.type))


def _parse_numbers(array: Any) -> Float32[ndarray, " rows"] | None:
    """Return text as numbers with NaN for blanks, or None if it is no text of numbers."""
    import pyarrow as pa
    from pyarrow import compute

    blank = compute.is_in(compute.utf8_lower(array), value_set=pa.array(MISSING))
    try:
        numbers = compute.if_else(blank, None, array).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    return as_numpy(numbers).astype(np.float32)


def join_features(
    columns: Sequence[FeatureColumn], matrix: Features | None, num_nodes: int
) -> tuple[Features, tuple[str, ...] | None]:
    """Return features of a file and of columns side by side, with their names."""
    offset = 0 if matrix is None else matrix.shape[1]
    names = [str(number) for number in range(offset)]
    if matrix is not None and not columns:
        return matrix, None
    names += [name for column in columns for name in column.names]
    if isinstance(matrix, SparseFeatures):
        x = np.empty((num_nodes, len(names) - offset), dtype=np.float32)
        _write_columns(columns, x)
        return _side_by_side(matrix, SparseFeatures.from_dense(torch.from_numpy(x))), tuple(names)
    x = np.empty((num_nodes, len(names)), dtype=np.float32)
    if matrix is not None:
        x[:, :offset] = matrix
    _write_columns(columns, x[:, offset:])
    return x, tuple(names)


def _write_columns(columns: Sequence[FeatureColumn], x: Float32[ndarray, "nodes features"]) -> None:
    start = 0
    for column in columns:
        end = start + column.width
        column.write(x[:, start:end])
        start = end


def _side_by_side(left: SparseFeatures, right: SparseFeatures) -> SparseFeatures:
    row = torch.cat([left.csr.row, right.csr.row])
    order = row.argsort(stable=True)
    col = torch.cat([left.csr.col, right.csr.col + left.shape[1]])[order]
    csr = CSR(left.csr.rowptr + right.csr.rowptr, col, left.shape[1] + right.shape[1])
    return SparseFeatures(csr, torch.cat([left.values, right.values])[order])


def fill_missing(
    where: str, x: Features, names: Sequence[str] | None, ids: NodeIds, missing: Missing
) -> int:
    """Replace NaN in place, and return how many there were.

    Raises:
        DataError: `missing` is "refuse" and there is one, or a number is infinite.
    """
    if isinstance(x, SparseFeatures):
        return _fill_sparse(where, x, names, ids, missing)
    count = 0
    for column in range(x.shape[1]):
        values = x[:, column]
        if np.isfinite(values).all():
            continue
        bad, blank = _bad_numbers(values, missing)
        if bad.any():
            node = int(np.argmax(bad))
            label = names[column] if names else str(column)
            raise _missing_error(where, ids.names[node], label, float(values[node]), int(bad.sum()))
        count += int(blank.sum())
        empty = missing == "zero" or blank.all()
        values[blank] = 0.0 if empty else values[~blank].mean(dtype=np.float64)
    return count


def _fill_sparse(
    where: str, x: SparseFeatures, names: Sequence[str] | None, ids: NodeIds, missing: Missing
) -> int:
    values, col, width = x.values.numpy(), x.csr.col.numpy(), x.shape[1]
    bad, blank = _bad_numbers(values, missing)
    if bad.any():
        entry = int(np.argmax(bad))
        node = int(np.searchsorted(x.csr.rowptr.numpy(), entry, "right")) - 1
        label = names[col[entry]] if names else str(col[entry])
        raise _missing_error(where, ids.names[node], label, float(values[entry]), int(bad.sum()))
    if blank.any():
        total = np.bincount(col[~blank], values[~blank], minlength=width)
        num_known = len(x) - np.bincount(col[blank], minlength=width)
        mean = 0.0 * total if missing == "zero" else total / np.maximum(num_known, 1)
        values[blank] = mean[col[blank]]
    return int(blank.sum())


def _bad_numbers(values: ndarray, missing: Missing) -> tuple[ndarray, ndarray]:
    """Tell which numbers are refused, and which are blank."""
    blank, finite = np.isnan(values), np.isfinite(values)
    return (~finite if missing == "refuse" else ~finite & ~blank), blank


def _missing_error(where: str, node: object, label: str, value: float, count: int) -> DataError:
    return DataError(
        f"{where}: features must be finite numbers, node {node} has "
        f"{'none' if np.isnan(value) else value} in {label!r} ({count:,} such cells); correct them "
        "(blank ones: or set dataset.missing=zero or mean)"
    )


def read_feature_file(path: Path, num_nodes: int) -> Features:
    """Read features from an .npy file, or from an .npz file with a sparse matrix or one array.

    A sparse matrix with few non-zeros stays sparse.

    Raises:
        DataError: it is damaged, has no row for each node, or does not fit the memory.
    """
    where = f"dataset.features={path}"
    check_file(where, path)
    if path.suffix not in (".npy", ".npz"):
        raise DataError(f"{where} must be an .npy file, or an .npz file with a sparse matrix")
    matrix = _load_matrix(where, path)
    if matrix.ndim != 2 or matrix.shape[0] != num_nodes or matrix.shape[1] == 0:
        raise DataError(
            f"{where}: features must be a table with a row for each of the {num_nodes:,} nodes, in "
            f"their order, its shape is {list(matrix.shape)}"
        )
    if matrix.dtype.kind not in "fiub":
        raise DataError(f"{where}: features must be real numbers, they are {matrix.dtype}")
    if not isinstance(matrix, ndarray):
        return features_of_matrix(where, matrix)
    check_room(where, *matrix.shape)
    return np.asarray(matrix, dtype=np.float32)


def _load_matrix(where: str, path: Path) -> Any:
    from scipy import sparse

    if path.suffix == ".npz" and "format" in array_names(where, path):
        try:
            return sparse.load_npz(path)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{where} cannot be read ({describe_error(error)})") from error
    arrays = load_arrays(where, path)
    matrices = [array for array in arrays.values() if array.ndim == 2]
    if len(matrices) != 1:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
        raise DataError(
            f"{where}: one table with a row for each node is needed, it has {shapes or 'nothing'}"
        )
    return matrices[0]
