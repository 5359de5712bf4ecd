"""The diagnosis of the best configuration of a group, where one of its runs has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from redditgnn.record.reading import FILE
from redditgnn.report.further import link_to
from redditgnn.report.grouping import Configuration
from redditgnn.report.summary import Summary

FOLDER, PAGE, FINDING = "diagnosis", "index.html", "finding.txt"  # `redditgnn diagnose` writes them


class Diagnosis(NamedTuple):
    """A run of the best configuration. Without a `link` it can be diagnosed, and is not yet.

    Attributes:
        run_id: Its id.
        results_dir: Where its folder is.
        link: Address of the page of its diagnosis, seen from the report.
        finding: What that found, in two sentences.
    """

    run_id: str
    results_dir: str
    link: str
    finding: str


def diagnosis_of(summary: Summary, out: Path) -> Diagnosis | None:
    """Return the first diagnosis of a run of the best configuration, else a run that has none.

    None: no folder with weights lies beside the rows, so there is nothing to diagnose.
    """
    best = next((entry.configuration for entry in summary.entries if entry.is_best), None)
    folders = {} if best is None else folders_by_run(best)
    diagnoses = [_read(folder, out) for folder in folders.values()]
    return next((d for d in diagnoses if d.link), next(iter(diagnoses), None))


def read_table(folder: Path, name: str) -> pd.DataFrame | None:
    """Return a table of the diagnosis of a run, None if there is none that can be read."""
    try:
        table = pd.read_csv(folder / FOLDER / f"{name}.csv", dtype={name: str})
        return table[[name, "nodes", "accuracy"]]
    except (OSError, ValueError, KeyError):
        return None


def folders_by_run(configuration: Configuration) -> dict[tuple[str, str], Path]:
    """Return the folders of the runs whose weights are there, by split and seed."""
    rows = configuration.runs
    return {
        (split, seed): folder
        for split, seed, folder in zip(rows.split, rows.seed, _all_folders(rows), strict=True)
        if (folder / "best.pt").is_file()
    }


def _all_folders(rows: pd.DataFrame) -> Iterator[Path]:
    for file, run_id in zip(rows[FILE], rows.run_id, strict=True):
        yield Path(file).parent / "runs" / (str(run_id) or "unknown")


def _read(folder: Path, out: Path) -> Diagnosis:
    page = folder / FOLDER / PAGE
    try:
        finding = (folder / FOLDER / FINDING).read_text(encoding="utf-8").strip()
        link = link_to(page, out) if page.is_file() else ""
    except (OSError, ValueError):  # none was made, or it cannot be read
        link = finding = ""
    return Diagnosis(folder.name, str(folder.parents[1]), link, finding)
