"""Tables as CSV, Parquet or npz, written piece by piece: a file is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from redditgnn.errors import DataError, UserError
from redditgnn.prediction.table import Table
from redditgnn.runtime.files import whole_file

Write = Callable[[Table], None]


@contextmanager
def table_file(path: Path) -> Iterator[Write]:
    """Yield a function that appends a piece of a table to `path`.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        with whole_file(path) as file, WRITERS[path.suffix](file) as write:
            yield write
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}); name another file"
        ) from error


def check_place(key: str, path: Path) -> None:
    """Refuse a file that could not be written, before anything slow begins.

    Raises:
        UserError: its ending is unknown, its folder is missing or not writable.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"{key} must end in {', '.join(WRITERS)}, got {path}")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UserError(f"{key}: the folder {folder} does not exist; create it, or name another")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{key}: {path} cannot be written; name another file")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UserError(f"{key}: Parquet needs pyarrow, which is missing; pip install pyarrow")


@contextmanager
def _csv(file: IO[bytes]) -> Iterator[Write]:
    def write(table: Table) -> None:
        text = table.frame().to_csv(index=False, header=file.tell() == 0, lineterminator="\n")
        file.write(text.encode())

    yield write


@contextmanager
def _parquet(file: IO[bytes]) -> Iterator[Write]:
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    with ExitStack() as stack:
        writers: list[Any] = []

        def write(table: Table) -> None:
            rows = pyarrow.Table.from_pandas(table.frame(), preserve_index=False)
            if not writers:
                writer = parquet.ParquetWriter(file, rows.schema)
                writers.append(stack.enter_context(writer))
            writers[0].write_table(rows.cast(writers[0].schema))

        yield write


@contextmanager
def _npz(file: IO[bytes]) -> Iterator[Write]:
    """Collect each column in a file of its own, because an archive takes one after the other."""
    with ExitStack() as stack:
        columns: dict[str, IO[bytes]] = {}
        shapes: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

        def write(table: Table) -> None:
            for name, values in table.columns.items():
                if name not in columns:
                    columns[name] = stack.enter_context(tempfile.TemporaryFile())
                    shapes[name] = values.dtype, (0, *values.shape[1:])
                dtype, (rows, *rest) = shapes[name]
                shapes[name] = dtype, (rows + len(values), *rest)
                columns[name].write(np.ascontiguousarray(values, dtype).tobytes())

        yield write
        with zipfile.ZipFile(file, "w") as archive:
            for name, column in columns.items():
                _add_array(archive, name, column, *shapes[name])


def _add_array(
    archive: zipfile.ZipFile,
    name: str,
    column: IO[bytes],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
) -> None:
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        npy.write_array_header_1_0(file, header)
        column.seek(0)
        shutil.copyfileobj(column, file, 2**20)


WRITERS: dict[str, Any] = {".csv": _csv, ".parquet": _parquet, ".npz": _npz}
