"""Train every model with every sampler, with a few seeds: which sampler suits which model.

usage: python -m scripts.bench.matrix [--pairs M/S,...] [--models M,...] [--samplers S,...] [...]

On Reddit if data_dir has it, else on dataset=sbm. Each run is one `redditgnn train` in a process of
its own. A cell, a pair with all its seeds, is a row of results/bench/*matrix.csv. Cells that are
there already, with the same settings, are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from scripts.bench.cases.pairs import MODELS, SAMPLERS, pair_overrides
from scripts.bench.options import add_place, names_of, new_parser
from scripts.bench.rows.sheet import append, csv_path

COLUMNS = (
    *("started_at", "dataset", "model", "sampler", "settings", "status", "error", "seeds"),
    *("num_parameters", "epoch_median_s", "test_micro_f1", "test_micro_f1_sd", "peak_rss_mib"),
    *("peak_cuda_allocated_mib", "curves", "device", "device_name", "torch_version"),
    *("pyg_version", "commit", "dirty"),
)
Cell = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells that the options name; 1 if one of them was refused."""
    options = parse(argv)
    path = options.out or csv_path(options.device, "matrix")
    dataset = dataset_overrides(options.data_dir, options.scale)
    refused = 0
    for model, sampler in options.pairs or product(options.models, options.samplers):
        settings = [*dataset, *pair_overrides(model, sampler), f"trainer.epochs={options.epochs}"]
        settings += options.overrides
        if has_cell(path, settings, options.seeds):
            continue
        cell = run_cell(settings, options.seeds, options.device, options.data_dir)
        if cell is None:
            refused += 1
            continue
        append(path, cell)
        print(describe(cell), flush=True)
    return 1 if refused else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = new_parser("matrix", __doc__)
    add_place(parser, scale=0.1)
    for name, choices in (("models", MODELS), ("samplers", SAMPLERS)):
        parser.add_argument(
            f"--{name}", type=names_of(choices), default=[*choices], help=", ".join(choices)
        )
    parser.add_argument("--pairs", type=pairs, help="such as sage/full,gat/gas; instead of all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="further overrides of every run")
    return parser.parse_args(argv)


def pairs(text: str) -> list[tuple[str, str]]:
    """Parse MODEL/SAMPLER pairs with commas between them."""
    known = {f"{model}/{sampler}": (model, sampler) for model, sampler in product(MODELS, SAMPLERS)}
    names = text.split(",")
    if unknown := sorted({*names} - {*known}):
        raise argparse.ArgumentTypeError(
            f"must be MODEL/SAMPLER, models are {', '.join(MODELS)}, "
            f"samplers are {', '.join(SAMPLERS)}; got {unknown[0]}"
        )
    return [known[name] for name in names]


def dataset_overrides(data_dir: Path, scale: float) -> list[str]:
    """Return the settings of the graph: Reddit, or a synthetic one, and a loud line."""
    if (data_dir / "Reddit").is_dir():
        return ["dataset=reddit"]
    overrides = ["dataset=sbm", f"dataset.scale={scale:g}"]
    print(f"*** NO REDDIT in {data_dir}: MEASURING ON SYNTHETIC DATA, {overrides} ***")
    return overrides


def has_cell(path: Path, settings: list[str], seeds: int) -> bool:
    """Whether `path` has the cell with these settings and seeds."""
    key = " ".join(settings), str(seeds)
    return path.exists() and any((row["settings"], row["seeds"]) == key for row in read(path))


def run_cell(settings: list[str], seeds: int, device: str, data_dir: Path) -> Cell | None:
    """Train once with each seed; return the row, or None if a run was refused."""
    places = [f"device={device}", f"data_dir={data_dir}"]
    runs = [run_once([*settings, f"seed={seed}", *places]) for seed in range(seeds)]
    accepted = [run for run in runs if run is not None]
    return summary(accepted, settings) if len(accepted) == len(runs) else None


def run_once(overrides: list[str]) -> Cell | None:
    """Train once; return its row of runs.csv with its `curve`, or None if it was refused."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "redditgnn", "train", *overrides]
        process = subprocess.run(
            [*command, f"results_dir={folder}"], capture_output=True, text=True, check=False
        )
        runs = Path(folder) / "runs.csv"
        if not runs.exists():
            print(f"{' '.join(overrides)}: {process.stderr.strip()}", file=sys.stderr)
            return None
        (row,) = read(runs)
        epochs = Path(folder) / "runs" / row["run_id"] / "epochs.csv"
        return {**row, "curve": curve(read(epochs) if epochs.exists() else [])}


def read(path: Path) -> list[Cell]:
    """Read a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def curve(epochs: list[Cell]) -> list[tuple[float, float]]:
    """Return validation micro-F1 against seconds of training."""
    points, seconds = [], 0.0
    for epoch in epochs:
        seconds += float(epoch["epoch_s"])
        if epoch["val_micro_f1"]:  # empty if `trainer.eval_every` skips
            points.append((round(seconds, 4), round(float(epoch["val_micro_f1"]), 4)))
    return points


def summary(runs: list[Cell], settings: list[str]) -> Cell:
    """Put the runs of one pair together; scores only if all of them completed."""
    failure = next((run for run in runs if run["status"] != "completed"), None)
    row = {name: runs[0].get(name) for name in COLUMNS}
    if "sbm" in runs[0]["dataset"]:
        row["dataset"] = f"sbm {settings[1].partition('=')[2]}"
    row |= {"settings": " ".join(settings), "seeds": len(runs)}
    if failure:
        return row | {"status": failure["status"], "error": failure["error"]}
    scores = [float(run["test_micro_f1"]) for run in runs]
    return row | {
        "test_micro_f1": mean(scores),
        "test_micro_f1_sd": stdev(scores) if len(scores) > 1 else "",
        "epoch_median_s": median(float(run["epoch_median_s"]) for run in runs),
        "peak_rss_mib": highest("peak_rss_mib", runs),
        "peak_cuda_allocated_mib": highest("peak_cuda_allocated_mib", runs),
        "curves": json.dumps([run["curve"] for run in runs]),
    }


def highest(name: str, runs: list[Cell]) -> float | str:
    """Return the highest of the runs' numbers; empty if none has one."""
    return max((float(run[name]) for run in runs if run[name]), default="")


def describe(cell: Cell) -> str:
    """Return a line about a cell."""
    score = f"{cell['test_micro_f1']:.4f}" if cell["status"] == "completed" else cell["error"]
    seconds = f"{cell['epoch_median_s'] or '-'} s an epoch, {cell['peak_rss_mib']} MiB"
    pair = f"{cell['model']:6} {cell['sampler']:13}"
    return f"{cell['dataset']}  {pair} {cell['status']:9}  {seconds}, micro-F1 {score}"


if __name__ == "__main__":
    sys.exit(main())
