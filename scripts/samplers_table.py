"""Put what bench_matrix.py measured into docs/samplers.md and docs/choosing-a-sampler.md.

usage: python scripts/samplers_table.py [--check]

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

import generated
from generated import ROOT, commits, insert, line, listed

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
    return generated.main(
        "samplers_table", f"{MATRIX} says otherwise; run make table", made, argv, root
    )


def made(root: Path) -> dict[Path, str]:
    """Return what the files have to hold."""
    cells = pd.read_csv(root / MATRIX, dtype={"commit": str})
    done = cells[cells.status == "completed"].copy()
    if done.dataset.nunique() != 1:  # one score is to be reached by all
        sys.exit(f"{MATRIX} mixes graphs ({listed(done.dataset)}); bench_matrix.py --out keeps one")
    done["curves"] = done.curves.map(json.loads)
    score = SHARE * max(point[1] for curves in done.curves for run in curves for point in run)
    lines = {index: cell_line(cell, score) for index, cell in done.iterrows()}
    shown = [lines[index] for index in done.index[done.model == SHOWN]]
    title = TITLE.format(share=SHARE, score=score)
    table = [HEADER, *lines.values(), *map(failed_line, unfinished(cells)), ""]
    inside = "\n".join([HEADER, *shown, "", provenance(done[done.model == SHOWN])])
    return {
        root / DOCUMENT: "\n".join([title, *table, provenance(done), ""]),
        root / GUIDE: insert(inside, root / GUIDE, BEGIN, END),
    }


def cell_line(cell: pd.Series, score: float) -> str:
    """Return the line of one pair."""
    reached = [seconds_to(score, run) for run in cell.curves]
    known = [seconds for seconds in reached if seconds is not None]
    told = f"{median(known):.3g}" if len(known) == len(reached) else "never"
    micro_f1 = f"{100 * cell.test_micro_f1:.2f} ± {100 * cell.test_micro_f1_sd:.2f}"
    memory = f"{cell.peak_rss_mib:,.0f}"
    seconds = f"{cell.epoch_median_s:.3g}"
    return line(model_of(cell), cell.sampler, micro_f1, seconds, told, memory)


def model_of(cell: pd.Series) -> str:
    """Name the model, and the overrides of bench_matrix.py that other pairs do not have."""
    _, _, behind_epochs = cell.settings.partition("trainer.epochs=")
    return " ".join([cell.model, *behind_epochs.split()[1:]])


def unfinished(cells: pd.DataFrame) -> list[pd.Series]:
    """Return the pairs that did not complete."""
    return [cell for _, cell in cells[cells.status != "completed"].iterrows()]


def failed_line(cell: pd.Series) -> str:
    """Return the line of a pair that did not complete."""
    return line(model_of(cell), cell.sampler, cell.status, "", "", "")


def seconds_to(score: float, run: list[list[float]]) -> float | None:
    """Return the seconds of training after which `run` had `score`; None if it never had."""
    return next((seconds for seconds, reached in run if reached >= score), None)


def provenance(done: pd.DataFrame) -> str:
    """Return one line: on which graph, with what, and how often."""
    epochs = done.settings.str.extract(r"trainer\.epochs=(\d+)")[0]
    return (
        f"{listed(done.dataset)}; {listed(epochs)} epochs, {listed(done.seeds.astype(str))} seeds "
        f"a pair, two layers of 64; {machines(done)}, one thread, beside other jobs; "
        f"torch {listed(done.torch_version)}, PyG {listed(done.pyg_version)}; code: "
        f"{commits(done)}."
    )


def machines(done: pd.DataFrame) -> str:
    """Name the machine of most pairs, and of every other pair its own."""
    usual = done.device_name.mode()[0]
    others = done[done.device_name != usual].itertuples()
    told = (f"{pair.model} under {pair.sampler} on {pair.device_name}" for pair in others)
    return ", ".join([usual, *told])


if __name__ == "__main__":
    sys.exit(main())
