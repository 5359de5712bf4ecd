"""Results on disk: `runs.csv`, one row a run, and a folder a run with its epochs.

A row is appended under a lock, flushed to the disk, and never rewritten.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import IO, Any

from redditgnn.errors import DataError, NotRecorded
from redditgnn.record.rows import (
    COLUMNS,
    REQUIRED,
    EpochRow,
    HistoryRow,
    RunRow,
    cells_of,
    columns_of,
)
from redditgnn.record.runs_file import append_row, as_csv, complete, locked
from redditgnn.runtime.files import whole_file


class EpochRecorder:
    """Writes epochs.csv of one run, a flushed line an epoch, and histories.csv if there are rows.

    The latter has a line a layer of every epoch, where `sampler.log_staleness` asks for it.
    `num_epochs`: how many epochs stay of the files that an earlier process left; None: the files
    are new.
    """

    def __init__(self, folder: Path, num_epochs: int | None = None) -> None:
        if num_epochs is not None:
            for name in ("epochs.csv", "histories.csv"):
                _cut_after(num_epochs, folder / name)
        self._folder, self._mode = folder, "x" if num_epochs is None else "a"
        self._epochs = _Lines(folder / "epochs.csv", EpochRow, self._mode)
        self._histories: _Lines | None = None

    def record(self, row: EpochRow) -> None:
        """Append one epoch."""
        self._epochs.write(row)

    def record_histories(self, row: HistoryRow) -> None:
        """Append one layer of an epoch."""
        if self._histories is None:
            self._histories = _Lines(self._folder / "histories.csv", HistoryRow, self._mode)
        self._histories.write(row)

    def sync(self) -> None:
        """See that what was recorded is on the disk."""
        for lines in (self._epochs, self._histories):
            if lines is not None:
                lines.sync()

    def close(self) -> None:
        for lines in (self._epochs, self._histories):
            if lines is not None:
                lines.close()


class _Lines:
    """A CSV file of rows of one kind; `mode` is that of `open`."""

    def __init__(self, path: Path, kind: type[EpochRow] | type[HistoryRow], mode: str) -> None:
        self._path = path
        self._file: IO[str] = path.open(mode, newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)
        if self._file.tell() == 0:
            self._writer.writerow(columns_of(kind))

    def write(self, row: EpochRow | HistoryRow) -> None:
        with _named_errors(self._path):
            self._writer.writerow(_rounded(cells_of(row)).values())
            self._file.flush()

    def sync(self) -> None:
        with _named_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _cut_after(epoch: int, path: Path) -> None:
    """Drop the lines of later epochs, and those that are damaged, if there is such a file."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        lines = file.readlines()
    # After a loss of power a line may be torn off, or be of zeros: none after it counts.
    whole = takewhile(lambda line: re.match(r"\d+,.*\n", line), lines[1:])
    rows = [*lines[:1], *(line for line in whole if int(line.partition(",")[0]) <= epoch)]
    with whole_file(path) as file:
        file.write("".join(rows).encode())


def append_run(row: RunRow, results_dir: Path) -> Path:
    """Append `row` to `results_dir/runs.csv`, and return that path.

    Raises:
        DataError: the file has other columns than this version writes.
        NotRecorded: the disk is full or was taken away; the message says where the row is.
    """
    path = results_dir / "runs.csv"
    values = _rounded(cells_of(row))
    try:
        with locked(path):
            complete(path, COLUMNS, REQUIRED)
            append_row(path, COLUMNS, values)
    except (OSError, DataError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise NotRecorded(_rescue(row.run_id, values, path, reason)) from error
    return path


def prepare_record(results_dir: Path) -> None:
    """Make `results_dir/runs.csv` ready for a row, before a run starts; complete an older one.

    Raises:
        DataError: it cannot be written, or has columns that this version does not know.
    """
    path = results_dir / "runs.csv"
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        with locked(path):
            complete(path, COLUMNS, REQUIRED)
            if path.exists():
                path.open("ab").close()
    except OSError as error:
        raise DataError(
            f"results_dir={results_dir}: {path} cannot be written: {error.strerror}; "
            "set another results_dir"
        ) from error


def _rescue(run_id: str, values: Mapping[str, Any], path: Path, reason: str | None) -> str:
    """Put a row that `path` did not take elsewhere, and say where."""
    text = as_csv(COLUMNS, values, with_header=True)
    for folder in (path.parent / "runs" / run_id, Path(tempfile.gettempdir())):
        rescue = folder / f"row-{run_id}.csv"
        try:
            rescue.write_text(text, encoding="utf-8")
        except OSError:
            continue
        return f"{path} cannot be written: {reason}; its row is in {rescue}, append its last line"
    print(text, file=sys.stderr, end="")
    return f"{path} cannot be written: {reason}; its row is printed above"


def write_json(values: Mapping[str, Any], path: Path) -> None:
    """Write a new file of `values`; never over an old one."""
    with _named_errors(path), path.open("x", encoding="utf-8") as file:
        json.dump(values, file, indent=2, default=str)
        file.write("\n")


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or one that was taken away, into `NotRecorded`."""
    try:
        yield
    except FileExistsError:  # a bug of ours
        raise
    except OSError as error:
        raise NotRecorded(
            f"{path} cannot be written: {error.strerror}; make room, or set another results_dir"
        ) from error


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Round times and memory, which are noise beyond that, and nothing else."""
    noisy = {k: round(v, 6) for k, v in values.items() if k.endswith(("_s", "_mib")) and v}
    return {**values, **noisy}
