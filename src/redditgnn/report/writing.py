"""From runs.csv to a folder: the files of a report, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from redditgnn.errors import DataError
from redditgnn.report.grouping import material_of
from redditgnn.report.summary import summary_of, table_of
from redditgnn.report.tables import latex, markdown
from redditgnn.results import files_of, read_runs


def write_report(results_dir: Path, out: Path) -> Iterator[str]:
    """Write everything to `out`, and yield what to tell the user, a line as soon as it is true.

    Raises:
        DataError: runs.csv cannot be read, or `out` not be written.
    """
    material = material_of(read_runs(files_of(results_dir)))
    summaries = [summary_of(group) for group in material.groups]
    num_configurations = sum(len(summary.entries) for summary in summaries)
    yield (
        f"{material.num_rows:,} rows, {num_configurations:,} configurations, "
        f"{len(summaries)} groups of equal data and protocol"
    )
    texts = {
        "summary.csv": table_of(summaries).to_csv(index=False),
        "summary.md": markdown(summaries),
        "summary.tex": latex(summaries),
    }
    for name, text in texts.items():
        _write(out / name, text.encode())
        yield f"wrote {out / name}"


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}; choose out=DIR") from error
