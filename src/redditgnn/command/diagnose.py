"""Say where a trained model is right and where it is wrong, or compare two models node by node.

usage: redditgnn diagnose RUN_ID [RUN_ID] [--split train|val|test] [--out DIR] [--window N]
                          [KEY=VALUE ...]

RUN_ID is a value of the column run_id of runs.csv, its first letters, or `latest`. It prints the
accuracy by degree, by the share of neighbours of the same class, and by distance to the nearest
training node. It prints precision and recall of each class, confusion matrix, calibration, and the
mistakes that the model is most sure of. All are written as CSV and as one page to DIR, by default
diagnosis/ in the run's folder.

Of two runs on the same data it prints the scores side by side, how many nodes only one of them has
right, and where the difference comes from.

With protocol=temporal, answers are those at the end of test window N, by default the last.

keys: data_dir  results_dir  device  dataset=NAME  dataset.KEY

`redditgnn report` links the page of a best run that has been diagnosed.

examples:
  redditgnn diagnose latest
  redditgnn diagnose 20261127-1845 20261127-1902 --split val
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redditgnn.command.saved_runs import Arguments, default_place, load
from redditgnn.errors import UserError

if TYPE_CHECKING:
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
    run, *others = [load(run_id, overrides, options.config_dir, options.window) for run_id in ids]
    tables = run.diagnose(options.split, beside=others[0] if others else None)
    place = default_place(run, _name(options.split, others), options.window)
    folder = Path(options.out) if options.out else place
    _write(tables, _title([run, *others], options.split), folder, options.split)
    return 0


def _write(tables: Tables, title: str, folder: Path, split: str) -> None:
    from redditgnn.prediction.finding import finding_of
    from redditgnn.prediction.page import as_text, write_tables

    finding = finding_of(tables, split)
    write_tables(tables, title, finding, folder)
    print(title, finding, as_text(tables), sep="\n\n")
    print(f"\nwrote {folder / 'index.html'} and a CSV of each table")


def _title(runs: Sequence[Run], split: str) -> str:
    names = (f"{run.settings.choices['model']} (run {run.run_id})" for run in runs)
    title = f"{' beside '.join(names)}, {split} nodes of {runs[0].graph.name}"
    if runs[0].window is not None:
        title += f" at the end of window {runs[0].window}"
    if runs[0].is_on_own_graph:
        return title
    return f"{title}, which is another graph than the run's and has a split of its own"


def _name(split: str, others: Sequence[Run]) -> str:
    """Return the default name of the folder: what differs has names of its own."""
    beside = "".join(f"-beside-{run.run_id}" for run in others)
    return f"diagnosis{'' if split == 'test' else f'-{split}'}{beside}"
