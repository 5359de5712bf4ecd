"""Tables of a diagnosis as text, and as files: CSV, and one page that opens from disk."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pandas as pd

from redditgnn.errors import DataError
from redditgnn.prediction.diagnosis import Tables
from redditgnn.runtime.files import whole_file

TITLES = {
    "agreement": "Nodes that the two models have right",
    "degree": "By degree (number of in-neighbours)",
    "homophily": "By local homophily (share of the neighbours with the node's own class)",
    "distance": "By distance to the nearest training node (hops)",
    "class": "By class",
    "calibration": "Calibration: probability of the predicted class, and how often it is right",
    "confusion": "Confusion matrix (rows: true class, columns: predicted class)",
    "mistakes": "The mistakes that the model is most sure of",
}
FINDING = "finding.txt"  # `redditgnn report` quotes it
MOST_CLASSES_PRINTED = 12
PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{title}</title>
<style>{style}</style></head>
<body><h1>{title}</h1>
<p>{finding}</p>
{sections}
</body></html>
"""


def as_text(tables: Tables) -> str:
    """Return the tables as aligned text. A large confusion matrix is only in the files."""
    printed = {
        name: table
        for name, table in tables.items()
        if name != "confusion" or len(table) <= MOST_CLASSES_PRINTED
    }
    return "\n\n".join(f"{TITLES[n]}\n{_format(table)}" for n, table in printed.items())


def write_tables(tables: Tables, title: str, finding: str, folder: Path) -> None:
    """Write `NAME.csv` for each table, `index.html` with all of them, and `FINDING`.

    Raises:
        DataError: the folder cannot be written.
    """
    sections = (
        f"<h2>{escape(TITLES[name])}</h2>\n"
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(TITLES[name])}">\n'
        + table.to_html(index=False, border=0, na_rep="", float_format="{:.4f}".format)
        + "\n</div>"
        for name, table in tables.items()
    )
    page = PAGE.format(
        title=escape(title),
        finding=escape(finding),
        sections="\n".join(sections),
        style=Path(__file__).with_name("page.css").read_text(encoding="utf-8"),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            _write(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
        _write(folder / FINDING, f"{finding}\n")
        _write(folder / "index.html", page)
    except OSError as error:
        raise DataError(
            f"--out: {folder} cannot be written ({error.strerror}); name another folder"
        ) from error


def _format(table: pd.DataFrame) -> str:
    return str(table.to_string(index=False, na_rep="", float_format="{:.4f}".format))


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())
