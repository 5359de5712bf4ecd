"""NumPy files as tables: arrays by name, an edge_index, or a sparse adjacency of SciPy."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from redditgnn.dataset.rawfiles import describe_error
from redditgnn.dataset.tables import ROWS, Block, list_columns
from redditgnn.errors import DataError

EDGE_ARRAYS = ("edge_index", "edges", "edge_list")


@dataclass(slots=True)
class ArrayTable:
    """An .npz or .npy file. Column k of a matrix `x` is called x_k."""

    where: str
    path: Path
    columns: tuple[str, ...] = ()
    has_header: bool = True
    typed: bool = True
    _arrays: dict[str, ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._arrays = self._edges_by_end(load_arrays(self.where, self.path))
        lengths = {len(array) for array in self._arrays.values()}
        if not lengths:
            raise DataError(f"{self.where} holds no arrays; it needs one for each column")
        if len(lengths) != 1:
            sizes = [f"{name} {len(array):,}" for name, array in self._arrays.items()]
            raise DataError(
                f"{self.where}: its arrays must have equally many rows, they have "
                f"{list_columns(sizes)}; nodes and edges are files of their own, and a split is a "
                "mask or a word for each node"
            )
        if lengths == {0}:
            raise DataError(f"{self.where} has no rows; it needs one for each edge or node")
        self.columns = tuple(self._arrays)

    def _edges_by_end(self, arrays: dict[str, ndarray]) -> dict[str, ndarray]:
        """Split matrices into columns, an edge_index into `src` and `dst`."""
        columns: dict[str, ndarray] = {}
        for name, array in arrays.items():
            if name in EDGE_ARRAYS or (self.path.suffix == ".npy" and self._holds_edges()):
                columns["src"], columns["dst"] = self._ends(array)
            elif array.ndim == 1 or array.shape[1:] == (1,):
                columns[name] = array.reshape(-1)
            elif array.ndim == 2:
                columns |= {f"{name}_{k}": array[:, k] for k in range(array.shape[1])}
            else:
                raise DataError(
                    f"{self.where}: {name} must have one or two dimensions, its shape is "
                    f"{list(array.shape)}"
                )
        return columns

    def _holds_edges(self) -> bool:
        return self.where.startswith("dataset.edges=")

    def _ends(self, array: ndarray) -> tuple[ndarray, ndarray]:
        if array.ndim == 2 and array.shape[0] == 2 != array.shape[1]:
            return array[0], array[1]
        if array.ndim == 2 and array.shape[1] == 2 != array.shape[0]:
            return array[:, 0], array[:, 1]
        raise DataError(
            f"{self.where}: edges must have the shape [2, edges] or [edges, 2], got "
            f"{list(array.shape)}"
        )

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        num_rows = len(next(iter(self._arrays.values())))
        for start in range(0, num_rows, ROWS):
            yield {name: self._block(name, start) for name in columns}

    def _block(self, name: str, start: int) -> Any:
        import pyarrow as pa

        values = np.ascontiguousarray(self._arrays[name][start : start + ROWS])
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        try:
            return pa.array(values)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(
                f"{self.where}: {name} has the type {values.dtype}, which is no number and no text"
            ) from error


def load_arrays(where: str, path: Path) -> dict[str, ndarray]:
    """Load the arrays of an .npz or .npy file. A sparse matrix is `src`, `dst` and `weight`.

    Raises:
        DataError: the file is damaged, or holds Python objects.
    """
    try:
        content = np.load(
            path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None
        )
        if isinstance(content, ndarray):
            return {path.stem: content}
        if "format" in content.files:
            return _load_adjacency(path)
        return {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{where} cannot be read ({describe_error(error)}); save arrays of numbers or text "
            "with numpy.savez"
        ) from error


def array_names(where: str, path: Path) -> list[str]:
    """Return the names of the arrays in an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as content:
            return list(content.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{where} cannot be read ({describe_error(error)}); save it again"
        ) from error


def _load_adjacency(path: Path) -> dict[str, ndarray]:
    from scipy import sparse

    matrix = sparse.load_npz(path).tocoo()
    ends = {"src": matrix.row, "dst": matrix.col}
    return ends if (matrix.data == 1).all() else ends | {"weight": matrix.data}
