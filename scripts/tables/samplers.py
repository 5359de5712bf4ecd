"""Render docs/samplers.md and docs/choosing-a-sampler.md from what scripts.bench.matrix measured.

usage: python -m scripts.tables.samplers [--check]

--check only exits 1 if a file is stale. The score to reach is 95 % of the best validation micro-F1
that any run of the table had in any epoch, in seconds of training, without evaluation.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import pandas as pd

from scripts import ROOT
from scripts.tables.documents import commits, distinct, insert, table_row, update

MATRIX, DOCUMENT = Path("results/bench/cpu-matrix.csv"), Path("docs/samplers.md")
GUIDE = Path("docs/choosing-a-sampler.md")
BEGIN, END = "<!-- samplers: made by 'make table' -->", "<!-- end of samplers -->"
SHOWN = "sage"  # the model of the guide's table
SHARE = 0.95

TITLE = """\
# Models under samplers, measured

Made by `make table` from [results/bench/cpu-matrix.csv](../results/bench/cpu-matrix.csv), which
`make bench` writes. Test micro-F1 in percent: mean ± standard deviation over seeds. Seconds to
{share:.0%} of the best are of training alone, until a run's validation micro-F1 reaches {score:.4f}
({share:.0%} of the best of the table): median over seeds, "never" if one of them did not get there
in its epochs. MiB: peak memory of the process, features and graph included.
"""
HEADER = """\
| model | sampler | test micro-F1, % | s/epoch | s to 95 % of the best | MiB |
| --- | --- | --- | --- | --- | --- |"""


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check the files of `root`; return the exit code."""
    remedy = f"{MATRIX} says otherwise; run make table"
    return update("scripts.tables.samplers", remedy, render, argv, root)


def render(root: Path) -> dict[Path, str]:
    """Return the text of each file."""
    cells = pd.read_csv(root / MATRIX, dtype={"commit": str})
    completed = cells[cells.status == "completed"].copy()
    if completed.dataset.nunique() != 1:  # one score is to be reached by all
        graphs = distinct(completed.dataset)
        sys.exit(f"{MATRIX} mixes graphs ({graphs}); scripts.bench.matrix --out keeps one")
    completed["curves"] = completed.curves.map(json.loads)
    score = SHARE * max(point[1] for curves in completed.curves for run in curves for point in run)
    lines = {index: cell_line(cell, score) for index, cell in completed.iterrows()}
    shown = [lines[index] for index in completed.index[completed.model == SHOWN]]
    title = TITLE.format(share=SHARE, score=score)
    table = [HEADER, *lines.values(), *map(failed_line, unfinished(cells)), ""]
    inside = "\n".join([HEADER, *shown, "", provenance(completed[completed.model == SHOWN])])
    return {
        root / DOCUMENT: "\n".join([title, *table, provenance(completed), ""]),
        root / GUIDE: insert(inside, root / GUIDE, BEGIN, END),
    }


def cell_line(cell: pd.Series, score: float) -> str:
    """Return the line of one pair."""
    reached = [seconds_to(score, run) for run in cell.curves]
    known = [seconds for seconds in reached if seconds is not None]
    to_score = f"{median(known):.3g}" if len(known) == len(reached) else "never"
    micro_f1 = f"{100 * cell.test_micro_f1:.2f} ± {100 * cell.test_micro_f1_sd:.2f}"
    memory = f"{cell.peak_rss_mib:,.0f}"
    seconds = f"{cell.epoch_median_s:.3g}"
    return table_row(model_of(cell), cell.sampler, micro_f1, seconds, to_score, memory)


def model_of(cell: pd.Series) -> str:
    """Name the model, and the further overrides that this pair was run with."""
    _, _, after_epochs = cell.settings.partition("trainer.epochs=")
    return " ".join([cell.model, *after_epochs.split()[1:]])


def unfinished(cells: pd.DataFrame) -> list[pd.Series]:
    """Return the pairs that did not complete."""
    return [cell for _, cell in cells[cells.status != "completed"].iterrows()]


def failed_line(cell: pd.Series) -> str:
    """Return the line of a pair that did not complete."""
    return table_row(model_of(cell), cell.sampler, cell.status, "", "", "")


def seconds_to(score: float, run: list[list[float]]) -> float | None:
    """Return the seconds of training after which `run` had `score`; None if it never had."""
    return next((seconds for seconds, reached in run if reached >= score), None)


def provenance(pairs: pd.DataFrame) -> str:
    """Return one line: on which graph, with what, and how often."""
    graphs, seeds = distinct(pairs.dataset), distinct(pairs.seeds.astype(str))
    epochs = distinct(pairs.settings.str.extract(r"trainer\.epochs=(\d+)")[0])
    return (
        f"{graphs}; {epochs} epochs, {seeds} seeds a pair, two layers of 64; "
        f"{machines(pairs)}, one thread, beside other jobs; "
        f"torch {distinct(pairs.torch_version)}, PyG {distinct(pairs.pyg_version)}; "
        f"code: {commits(pairs)}."
    )


def machines(pairs: pd.DataFrame) -> str:
    """Name the machine of most pairs, and of every other pair its own."""
    usual = pairs.device_name.mode()[0]
    others = pairs[pairs.device_name != usual].itertuples()
    exceptions = (f"{pair.model} under {pair.sampler} on {pair.device_name}" for pair in others)
    return ", ".join([usual, *exceptions])


if __name__ == "__main__":
    sys.exit(main())
