"""Say where a trained model is right and where it is wrong, or compare two models node by node.

usage: redditgnn diagnose RUN_ID [RUN_ID] [--split train|val|test] [--out DIR] [KEY=VALUE ...]

RUN_ID is a value of the column run_id of runs.csv, its first letters, or `latest`. It prints the
accuracy by degree, by the share of neighbours of the same class, and by distance to the nearest
training node. It prints precision and recall of each class, confusion matrix, calibration, and the
mistakes that the model is most sure of. All are written as CSV and as one page to DIR, by default
diagnosis/ in the run's folder.

Of two runs on the same data it prints the scores side by side, and how many nodes only one of
them has right.

keys: data_dir  results_dir  device

examples:
  redditgnn diagnose latest
  redditgnn diagnose 20261127-1845 20261127-1902 --split val
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redditgnn.command.saved_runs import Arguments, load
from redditgnn.errors import UserError

if TYPE_CHECKING:
    from redditgnn.graph.data import Split
    from redditgnn.prediction.diagnosis import Tables
    from redditgnn.run.saved import Run

SPLITS = ("train", "val", "test")


def main(argv: Sequence[str]) -> int:
    """Print the tables, and where they were written."""
    parser = Arguments("diagnose")
    parser.add_argument("--split", default="test")
    parser.add_argument("--out")
    options, ids, overrides = parser.read(argv)
    parser.refuse_more_than(2, ids)
    if options.split not in SPLITS:
        raise UserError(f"--split must be one of {', '.join(SPLITS)}, got {options.split}")
    runs = [load(run_id, overrides, options.config_dir) for run_id in ids]
    tables = _tables(runs, options.split)
    names = " beside ".join(map(_describe, runs))
    folder = Path(options.out) if options.out else runs[0].folder / _default_name(runs)
    _write(tables, f"{names}, {options.split} nodes of {runs[0].graph.name}", folder)
    return 0


def _write(tables: Tables, title: str, folder: Path) -> None:
    from redditgnn.prediction.page import as_text, write_tables

    write_tables(tables, title, folder)
    print(f"{title}\n\n{as_text(tables)}\n\nwrote {folder / 'index.html'} and a CSV of each table")


def _tables(runs: Sequence[Run], split: Split) -> Tables:
    if len(runs) == 1:
        return runs[0].diagnose(split)
    from redditgnn.prediction.diagnosis import agreement, compare

    first, second = runs
    if str(first.graph.fingerprint) != str(second.graph.fingerprint):
        raise UserError(
            f"{first.run_id} and {second.run_id} are on different data or splits "
            f"({first.graph.name}, {second.graph.name}); compare runs on the same"
        )
    names = _names(first, second)
    both = agreement(first.graph, split, first.predict(), second.predict(), names)
    return {"agreement": both} | compare(first.diagnose(split), second.diagnose(split), names)


def _names(first: Run, second: Run) -> tuple[str, str]:
    models = [str(run.settings.choices["model"]) for run in (first, second)]
    if models[0] == models[1]:
        return first.run_id, second.run_id
    return models[0], models[1]


def _describe(run: Run) -> str:
    return f"{run.settings.choices['model']} (run {run.run_id})"


def _default_name(runs: Sequence[Run]) -> str:
    return "diagnosis" if len(runs) == 1 else f"diagnosis-beside-{runs[1].run_id}"
