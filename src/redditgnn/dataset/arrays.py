"""The gate: what a dataset class returned becomes NumPy arrays, or an error that names it.

Tensors, arrays, lists, tables of pandas and sparse matrices come in. Types, shapes and
fractions are checked before anything is computed, so that no number changes silently.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy import ndarray

from redditgnn.dataset.feature_storage import Features
from redditgnn.dataset.tables import MISSING
from redditgnn.errors import DataError
from redditgnn.graph.csr import CSR
from redditgnn.graph.features import MAX_DENSITY_OF_SELECTION
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.runtime.memory import GIB, free_memory

LARGEST_EXACT = 2**24  # float32 holds all whole numbers up to here
MOST_SPARSE_COLUMNS = 2**31 - 1  # they are numbered in int32
_LOG = logging.getLogger(__name__)


def as_array(name: str, key: str, value: Any) -> ndarray:
    """Return a tensor, array, list, or column or table of pandas as an array of its own type.

    Raises:
        DataError: it is none of these, or a list of rows of different lengths.
    """
    try:
        array = _dense_array(value) if isinstance(value, torch.Tensor) else _foreign_array(value)
    except Exception as error:  # whatever a foreign type raises when it is converted
        raise _type_error(name, key, value) from error
    if array.ndim == 0:
        raise _type_error(name, key, value)
    return array


def _dense_array(tensor: torch.Tensor) -> ndarray:
    tensor = tensor.detach().cpu()
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    array: ndarray = (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()
    return array


def _foreign_array(value: Any) -> ndarray:
    if np.ma.isMaskedArray(value):
        hidden: Any = None  # a missing entry
        value = np.where(np.ma.getmaskarray(value), hidden, value.data)
    array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    if array.dtype.kind == "U" and isinstance(value, (list, tuple)):
        return np.asarray(value, dtype=object)  # NaN among words is no word
    return array


def _type_error(name: str, key: str, value: Any) -> DataError:
    kind = f"{type(value).__module__}.{type(value).__name__}, which is no array"
    if isinstance(value, torch.Tensor):
        kind = f"a tensor of {value.dtype} with {value.ndim} dimensions on {value.device}"
    elif isinstance(value, (list, tuple)):
        kind = "a list whose rows have different lengths or types"
    return DataError(
        f"dataset={name}: {key} is {kind}; make it a tensor on the CPU, a NumPy array or a list "
        "with an entry for each node or edge"
    )


def numbers(name: str, key: str, value: Any) -> ndarray:
    """Return `value` as an array of whole or real numbers. A missing entry (None, NA) is NaN.

    Raises:
        DataError: it holds text or complex numbers.
    """
    array = as_array(name, key, value)
    if array.dtype.kind == "O":
        array = _objects_to_numbers(name, key, array)
    if array.dtype.kind not in "biuf":
        example = array.reshape(-1)[:1].tolist()
        raise DataError(
            f"dataset={name}: {key} must hold numbers, it holds "
            f"{'text' if array.dtype.kind in 'US' else array.dtype.name} such as "
            f"{example[0] if example else 'none'!r}"
        )
    return array


def _objects_to_numbers(name: str, key: str, array: ndarray) -> ndarray:
    flat = [np.nan if is_missing(entry) else entry for entry in array.reshape(-1)]
    text = next((entry for entry in flat if isinstance(entry, (str, bytes))), None)
    try:
        if text is None:
            return np.array(flat, dtype=np.float64).reshape(array.shape)
    except (TypeError, ValueError):
        text = next(entry for entry in flat if not isinstance(entry, (int, float)))
    raise DataError(f"dataset={name}: {key} must hold numbers, it holds {text!r}")


def is_missing(entry: Any) -> bool:
    """Whether an entry stands for no value: None, NaN, pandas' NA, or text of these or blank."""
    if isinstance(entry, str):
        return entry.strip().lower() in MISSING
    return entry is None or type(entry).__name__ in ("NAType", "NaTType") or entry != entry


def integers(name: str, key: str, array: ndarray) -> Int64[ndarray, "*shape"]:
    """Return whole numbers as int64, whatever type of number they have.

    Raises:
        DataError: names the first position whose number has a fraction, or is not finite.
    """
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.trunc(array))
        if not whole.all():
            position = np.unravel_index(int(np.argmin(whole)), array.shape)
            place = ", ".join(str(int(index)) for index in position)
            raise DataError(
                f"dataset={name}: {key} must hold whole numbers, entry [{place}] is "
                f"{array[position]:g}"
            )
        _refuse_inexact(name, key, array)
    if array.size and array.dtype.kind in "fu" and float(array.max()) >= 2.0**63:
        raise DataError(f"dataset={name}: {key} must be below 2**63, got {array.max():,}")
    return array.astype(np.int64, copy=False)


def _refuse_inexact(name: str, key: str, array: ndarray) -> None:
    limit = 2.0 ** (np.finfo(array.dtype).nmant + 1)
    if array.size and float(np.abs(array).max()) > limit:
        raise DataError(
            f"dataset={name}: {key} is stored as {array.dtype.name}, which cannot tell whole "
            f"numbers above {limit:,.0f} apart; store integers"
        )


def features(name: str, value: Any) -> Features:
    """Return node features in float32: a dense table, or the non-zeros of a sparse matrix.

    Raises:
        DataError: they are no table of numbers, or do not fit into memory.
    """
    matrix = sparse_matrix(value)
    if matrix is not None:
        if matrix.dtype.kind not in "biuf":
            raise DataError(f"dataset={name}: x must hold numbers, it holds {matrix.dtype.name}")
        return features_of_matrix(f"dataset={name}", matrix)
    array = numbers(name, "x", value)
    if array.ndim != 2 or array.shape[1] == 0:
        way_out = f"; reshape it to [{len(array)}, 1]" if array.ndim == 1 else ""
        raise DataError(
            f"dataset={name}: features must be a table, a row a node, got the shape "
            f"{array.shape}{way_out}"
        )
    if array.dtype.kind in "iu" and array.size and abs(array).max() > LARGEST_EXACT:
        _LOG.warning("dataset=%s: features above %s are rounded to float32", name, LARGEST_EXACT)
    with np.errstate(over="ignore"):  # a number that becomes infinite is refused later
        return array.astype(np.float32, copy=False)


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse matrix of SciPy, torch or torch_sparse."""
    from scipy import sparse

    if getattr(value, "ndim", 2) != 2:
        return False
    is_sparse_tensor = isinstance(value, torch.Tensor) and value.layout is not torch.strided
    return sparse.issparse(value) or hasattr(value, "to_scipy") or is_sparse_tensor


def sparse_matrix(value: Any) -> Any | None:
    """Return a sparse tensor or matrix as one of SciPy, None for anything else."""
    from scipy import sparse

    if not is_sparse(value):
        return None
    if not isinstance(value, torch.Tensor):
        return value.tocsr() if sparse.issparse(value) else value.to_scipy(layout="csr")
    coo = value.detach().cpu().to_sparse_coo().coalesce()
    if coo.dense_dim():
        return None
    values = coo.values()
    values = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    return sparse.coo_array((values.numpy(), coo.indices().numpy()), coo.shape).tocsr()


def features_of_matrix(where: str, matrix: Any) -> Features:
    """Return a sparse matrix of SciPy as it is if it has few non-zeros, else as a dense table.

    Raises:
        DataError: the dense table does not fit into memory.
    """
    rows, columns = matrix.shape
    with np.errstate(over="ignore"):  # a number that becomes infinite is refused later
        csr = matrix.tocsr().astype(np.float32)
    csr.sum_duplicates()
    csr.eliminate_zeros()
    if columns > MOST_SPARSE_COLUMNS or csr.nnz > MAX_DENSITY_OF_SELECTION * rows * columns:
        return _dense_table(where, csr)
    rowptr, col = csr.indptr.astype(np.int64), csr.indices.astype(np.int32)
    return SparseFeatures(
        CSR(torch.from_numpy(rowptr), torch.from_numpy(col), columns), torch.from_numpy(csr.data)
    )


def _dense_table(where: str, matrix: Any) -> Float32[ndarray, "nodes features"]:
    size = check_room(where, *matrix.shape)
    if 4 * matrix.shape[0] * matrix.shape[1] > GIB:
        _LOG.warning("%s: %s", where, size)
    try:
        table: ndarray = matrix.toarray()
    except MemoryError as error:
        raise MemoryError(
            f"{size}; keep fewer columns, or reduce them with TruncatedSVD"
        ) from error
    return table


def check_room(where: str, rows: int, columns: int) -> str:
    """Return in words how much memory a dense table of features takes.

    Raises:
        DataError: less is free.
    """
    needed, free = 4 * rows * columns, free_memory(torch.device("cpu"))
    size = f"{rows:,} x {columns:,} features take {needed / GIB:,.2f} GiB as float32"
    if needed > free:
        raise DataError(
            f"{where}: {size} and {free / GIB:,.2f} GiB are free; keep fewer columns, such as the "
            "most frequent words, or reduce them with TruncatedSVD of scikit-learn"
        )
    return size
