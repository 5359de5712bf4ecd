"""A CSV file that several processes append to, each row whole or not at all.

A row is one line. A line that a crash or a full disk cut off (no line end, fields missing, a quote
that does not close) is no data: it is moved to a file beside, `NAME.rejected-TIME`, and nothing
else is touched. A file that has fewer columns than are written now is completed, and stays as
`NAME.before-VERSION`.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from filelock import FileLock

from redditgnn import __version__
from redditgnn.errors import DataError
from redditgnn.runtime.files import whole_file

BOM = b"\xef\xbb\xbf"  # as spreadsheets write it
JSON_COLUMN = "hyperparameters"  # as the last one it tells whether a line without an end is whole

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Parsed:
    columns: list[str]
    header: bytes
    rows: list[Row]
    whole: list[bytes]  # the lines that are rows, with their ends
    cut_off: list[bytes]

    @property
    def line_end(self) -> str:
        return "\r\n" if self.header.endswith(b"\r\n") or not self.header else "\n"


def read_rows(path: Path) -> tuple[list[str], list[Row]]:
    """Return columns and rows as text; lines that were cut off are set aside.

    Raises:
        DataError: the file cannot be read, or is no table with commas.
    """
    parsed = _parsed(path)
    if parsed.cut_off or not _ends(parsed):  # or another process is writing it right now
        try:
            with locked(path):
                parsed = _mended(path)
        except OSError as error:
            count = len(parsed.cut_off)
            _tell(f"{path}: {count} lines were cut off and are not read ({error.strerror})")
    return parsed.columns, parsed.rows


def append_row(path: Path, columns: Sequence[str], values: Mapping[str, Any]) -> None:
    """Append one row and flush it to the disk; the caller holds `locked(path)`.

    Raises:
        OSError: nothing was written.
    """
    parsed = _first_line(path)
    text = as_csv(columns, values, with_header=not parsed.header, line_end=parsed.line_end)
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            left = memoryview(text.encode())
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
            raise


def complete(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    """Give the file these `columns`, and an end to its last line; the caller holds `locked(path)`.

    Raises:
        DataError: it has columns that are not among these, or lacks some of `required`.
        OSError: the folder cannot be written.
    """
    if not path.exists():
        return
    parsed = _first_line(path)
    if not _ends(parsed) or not _ends_with_a_line(path):
        parsed = _mended(path)
    if not parsed.header or parsed.columns == list(columns):
        return
    missing = [name for name in columns if name not in parsed.columns]
    unknown = [name for name in parsed.columns if name not in columns]
    if unknown or set(missing) & set(required):
        reason = f"{unknown[0]!r} is unknown" if unknown else f"{missing[0]!r} is missing"
        raise DataError(
            f"{path} has other columns than this version writes ({reason}); rename it, or set "
            "another results_dir"
        )
    backup = _back_up(path)
    rows = _mended(path).rows
    lines = [as_csv(columns, row, with_header=False, line_end=parsed.line_end) for row in rows]
    _replace(
        path, [(",".join(columns) + parsed.line_end).encode(), *(line.encode() for line in lines)]
    )
    _tell(
        f"{path}: new columns {', '.join(missing) or 'in another order'}; the old is {backup.name}"
    )


def as_csv(
    columns: Sequence[str], values: Mapping[str, Any], with_header: bool, line_end: str = "\n"
) -> str:
    """Return the row as one line of CSV, after a line of column names if asked for."""
    text = StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    if with_header:
        writer.writerow(columns)
    writer.writerow([_one_line(values.get(name)) for name in columns])
    return text.getvalue()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of all who write `path`.

    Raises:
        OSError: the folder cannot be written.
    """
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def _parsed(path: Path) -> _Parsed:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    # Lines end in LF, as `_first_line` and `append_row` have it: a CR alone is no end.
    header, *lines = BytesIO(data.removeprefix(BOM)).readlines() or [b""]
    columns = _columns(path, header)
    rows, whole, cut_off = [], [], []
    for line in lines:
        cells = _parse_line(line, columns)
        if cells is not None:
            rows.append(dict(zip(columns, cells, strict=True)))
            whole.append(line)
        elif line.strip():
            cut_off.append(line)
    return _Parsed(columns, header, rows, whole, cut_off)


def _first_line(path: Path) -> _Parsed:
    """Parse no more than the names of the columns."""
    header = b""
    if path.exists():
        with path.open("rb") as file:
            header = file.readline().removeprefix(BOM)
    return _Parsed(_columns(path, header), header, [], [], [])


def _columns(path: Path, header: bytes) -> list[str]:
    try:
        columns = next(csv.reader([header.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of runs: its first line is {header[:40]!r}") from error
    if len(columns) == 1 and ";" in columns[0]:
        raise DataError(
            f"{path} has semicolons between its columns, as spreadsheets write them; save it with "
            "commas, or rename it"
        )
    return columns


def _parse_line(line: bytes, columns: Sequence[str]) -> list[str] | None:
    """Return the fields of a line, None if it is not whole."""
    try:
        rows = list(csv.reader([line.decode()], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(rows) != 1 or len(rows[0]) != len(columns) or b"\0" in line:
        return None
    if not line.endswith(b"\n") and not (columns[-1] == JSON_COLUMN and _is_json(rows[0][-1])):
        return None
    return rows[0]


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _ends(parsed: _Parsed) -> bool:
    """Whether the first line is whole, and the last has an end."""
    lines = [parsed.header, *parsed.whole[-1:]]
    return all(line.endswith(b"\n") for line in lines if line)


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        if file.tell() == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _mended(path: Path) -> _Parsed:
    """Set aside what was cut off, end the last line; the caller holds the lock."""
    parsed = _parsed(path)
    if _ends(parsed) and not parsed.cut_off:
        return parsed
    end = parsed.line_end.encode()
    header, whole, cut_off = parsed.header, parsed.whole, parsed.cut_off
    if not header.endswith(b"\n"):  # the first write of all was cut off
        header, cut_off, end = b"", [header], b""
    if cut_off:
        aside = _free(path, f"rejected-{datetime.now():%Y%m%d-%H%M%S}")
        _replace(aside, [header, *cut_off])
        lines = f"{len(cut_off)} lines" if len(cut_off) > 1 else "a line"
        _tell(f"{path}: {lines} that had been cut off went to {aside.name}")
    ended = [line if line.endswith(b"\n") else line + end for line in whole]
    _replace(path, [header, *ended])
    return _parsed(path)


def _back_up(path: Path) -> Path:
    backup = _free(path, f"before-{__version__}")
    shutil.copy2(path, backup)
    return backup


def _free(path: Path, ending: str) -> Path:
    """Return `path` with an ending that no file has yet."""
    candidate, number = path.with_name(f"{path.name}.{ending}"), 2
    while candidate.exists():
        candidate = path.with_name(f"{path.name}.{ending}-{number}")
        number += 1
    return candidate


def _replace(path: Path, lines: Sequence[bytes]) -> None:
    with whole_file(path) as file:
        file.writelines(lines)


def _one_line(value: Any) -> Any:
    return " ".join(value.splitlines()) if isinstance(value, str) else value


def _tell(text: str) -> None:
    print(f"redditgnn: {text}", file=sys.stderr)
