"""Delimited text: CSV, TSV and the like, read in blocks by Arrow."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redditgnn.dataset.rawfiles import describe_error
from redditgnn.dataset.tables import Block, HeaderRule, progress_of
from redditgnn.errors import DataError

BLOCK_BYTES = 1 << 26
_SAMPLE_BYTES = 1 << 20
_COMMENTS = ("#", "%")
_DELIMITERS = ("\t", ",", ";", "|", " ")


@dataclass(slots=True)
class DelimitedTable:
    """A text file with a row a line. Its first rows may be comments that begin with # or %.

    Columns without a header are called 1, 2 and so on.
    """

    where: str
    path: Path
    is_header: HeaderRule
    columns: tuple[str, ...] = ()
    has_header: bool = False
    typed: bool = False
    _delimiter: str = ","
    _skip_rows: int = 0

    def __post_init__(self) -> None:
        lines = self._sample()
        self._skip_rows = _num_leading_lines(lines)
        rows = [line for line in lines[self._skip_rows :] if line.strip()]
        if not rows:
            raise DataError(f"{self.where} has no rows; it needs one for each edge or node")
        self._delimiter = _find_delimiter(rows)
        first = [cell.strip() for cell in _split_line(rows[0], self._delimiter)]
        self.has_header = self.is_header(first)
        if self.has_header:
            self._skip_rows += 1
        numbered = tuple(str(number + 1) for number in range(len(first)))
        self.columns = tuple(first) if self.has_header else numbered
        self._refuse_repeated_names()

    def _sample(self) -> list[str]:
        """Read the first lines."""
        opened = gzip.open if self.path.suffix == ".gz" else open
        try:
            with opened(self.path, "rb") as file:
                content = file.read(_SAMPLE_BYTES)
        except (OSError, EOFError) as error:
            raise DataError(
                f"{self.where} cannot be read ({describe_error(error)}); write it again"
            ) from error
        if len(content) == _SAMPLE_BYTES:
            content = content[: content.rfind(b"\n") + 1] or content
        if b"\0" in content:
            raise DataError(f"{self.where} is not UTF-8 text; save it as CSV in UTF-8")
        return content.decode("utf-8-sig", errors="replace").splitlines()

    def _refuse_repeated_names(self) -> None:
        for position, name in enumerate(self.columns):
            if name in self.columns[:position]:
                raise DataError(
                    f"{self.where} has two columns called {name!r}; give each a name of its own"
                )

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        import pyarrow as pa
        from pyarrow import compute

        num_rows = 0
        with self.path.open("rb") as raw, progress_of(self.where, self._size()) as bar:
            try:
                for batch in self._open(raw, columns):
                    yield {name: compute.utf8_trim_whitespace(batch[name]) for name in columns}
                    num_rows += batch.num_rows
                    bar.update(raw.tell() - bar.n)
            except (pa.ArrowException, OSError) as error:
                raise self._describe(error) from error
        if not num_rows:
            raise DataError(f"{self.where} has no rows; it needs one for each edge or node")

    def _size(self) -> int:
        return self.path.stat().st_size

    def _open(self, raw: Any, columns: Sequence[str]) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        stream = pa.CompressedInputStream(raw, "gzip") if self.path.suffix == ".gz" else raw
        return arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(
                block_size=BLOCK_BYTES,
                column_names=list(self.columns),
                skip_rows=self._skip_rows,
                use_threads=False,  # else errors do not tell the row
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in columns},
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )

    def _describe(self, error: Exception) -> DataError:
        text = " ".join(str(error).split())
        if match := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", text):
            row, expected, got, content = match.groups()
            return DataError(
                f"{self.where}: row {row} has {got} cells instead of {expected} "
                f"({content[:60]!r}); give every row the same number of cells"
            )
        if "invalid UTF8" in text:
            row = re.search(r"Row #(\d+)", text)
            place = f"row {row[1]}" if row else "a row"
            return DataError(f"{self.where}: {place} is not UTF-8 text; save the file as UTF-8")
        if "Empty CSV" in text:
            return DataError(f"{self.where} has no rows; it needs one for each edge or node")
        return DataError(f"{self.where} cannot be read ({describe_error(error)}); write it again")


def _num_leading_lines(lines: Sequence[str]) -> int:
    """Count the comments and blank lines before the first row."""
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith(_COMMENTS):
            return number
    return len(lines)


def _find_delimiter(rows: Sequence[str]) -> str:
    """Find the delimiter that splits the first two rows into equally many cells."""
    for delimiter in _DELIMITERS:
        counts = {len(_split_line(row, delimiter)) for row in rows[:2]}
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return max(_DELIMITERS, key=rows[0].count) if len(rows[0].split()) > 1 else ","


def _split_line(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter))
