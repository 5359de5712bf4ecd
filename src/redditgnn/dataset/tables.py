"""Tables in files, read in blocks: delimited text, Parquet, and NumPy arrays.

Cells of delimited text are strings, without the spaces around them. Blank cells are empty strings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy import ndarray
from tqdm import tqdm

from redditgnn.dataset.rawfiles import describe_error
from redditgnn.errors import ConfigError, DataError

ROWS = 1 << 20  # of a block of typed columns
MISSING = ("", "nan", "na", "n/a", "#n/a", "<na>", "null", "none")  # in small letters: no value
FORMATS = "CSV or TSV text, also as .gz, .parquet, .npz or .npy"
_OTHER_FORMATS = (
    *(".xlsx", ".xls", ".ods", ".json", ".jsonl", ".mat", ".pt", ".pth", ".pkl", ".pickle"),
    *(".feather", ".arrow", ".orc", ".zip", ".bz2", ".zst", ".xz", ".h5", ".hdf5", ".mtx", ".gml"),
)
Block: TypeAlias = Mapping[str, Any]  # an Arrow array for each column
HeaderRule = Callable[[Sequence[str]], bool]  # whether a first row names the columns


@runtime_checkable
class Table(Protocol):
    """A file with named columns.

    `where` is the key and the path, with which messages begin. `typed`: cells have types of their
    own, so that 1 and "1" differ.
    """

    where: str
    columns: tuple[str, ...]
    has_header: bool
    typed: bool

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """Read these columns block by block.

        Raises:
            DataError: the file is damaged.
        """
        ...


def open_table(key: str, path: Path, is_header: HeaderRule) -> Table:
    """Open the file that configuration `key` names.

    Raises:
        DataError: it is missing, empty, or has a format that cannot be read.
    """
    where = f"{key}={path}"
    check_file(where, path)
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return ParquetTable(where, path)
    if suffix in (".npz", ".npy"):
        from redditgnn.dataset.array_tables import ArrayTable

        return ArrayTable(where, path)
    if suffix in _OTHER_FORMATS:
        raise DataError(f"{where}: {suffix} files cannot be read; save it as {FORMATS}")
    from redditgnn.dataset.delimited import DelimitedTable

    return DelimitedTable(where, path, is_header)


def check_file(where: str, path: Path) -> None:
    """Refuse a path that is no file, or an empty one."""
    if not path.exists():
        near = get_close_matches(path.name, _names_beside(path), n=1)
        hint = f" (did you mean {path.with_name(near[0])}?)" if near else ""
        raise DataError(
            f"{where}: there is no such file{hint}; name it with {where.partition('=')[0]}=PATH, "
            "which is relative to the current folder"
        )
    if not path.is_file():
        raise DataError(f"{where} is a folder; name a file: {FORMATS}")
    if path.stat().st_size == 0:
        raise DataError(f"{where} is empty; it needs a row for each edge or node")


def _names_beside(path: Path) -> list[str]:
    return [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []


def find_column(table: Table, key: str, name: str) -> str:
    """Return `name` if the table has this column.

    Raises:
        ConfigError: it has none, and which ones it has.
    """
    if name in table.columns:
        return name
    near = get_close_matches(name, table.columns, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ConfigError(
        f"dataset.{key}={name}: {table.where} has no such column{hint}; it has "
        f"{list_columns(table.columns)}"
    )


def list_columns(names: Sequence[str]) -> str:
    """List up to ten names, and say how many more there are."""
    rest = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + rest


def progress_of(where: str, size: int) -> tqdm:
    """Return a bar over the bytes of a file. It is silent in files and pipes."""
    name = Path(where.partition("=")[2]).name
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, disable=None, leave=False)


@dataclass(slots=True)
class ParquetTable:
    """A Parquet file."""

    where: str
    path: Path
    columns: tuple[str, ...] = ()
    has_header: bool = True
    typed: bool = True

    def __post_init__(self) -> None:
        self.columns = tuple(self._open().schema_arrow.names)

    def _open(self) -> Any:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        try:
            return ParquetFile(self.path)
        except (ArrowException, OSError) as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> DataError:
        return DataError(f"{self.where} cannot be read ({describe_error(error)}); write it again")

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        from pyarrow import ArrowException

        file = self._open()
        with progress_of(self.where, file.metadata.num_rows) as bar:
            try:
                for batch in file.iter_batches(ROWS, columns=list(columns)):
                    yield {name: _plain(batch.column(name)) for name in columns}
                    bar.update(batch.num_rows)
            except (ArrowException, OSError) as error:
                raise self._damage(error) from error


def _plain(array: Any) -> Any:
    """Replace the codes of a categorical column by its values, and long strings by strings."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    return array


def as_numpy(array: Any) -> ndarray:
    """Return an Arrow array as a NumPy array. Null numbers become NaN."""
    return np.asarray(array.to_numpy(zero_copy_only=False))
