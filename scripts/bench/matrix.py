"""Train every model with every sampler, with a few seeds: which sampler when.

usage: python -m scripts.bench.matrix [--pairs M/S,...] [--models M,...] [--samplers S,...] [...]

On Reddit where data_dir has it, on dataset=sbm where not. Each run is one `redditgnn train` in a
process of its own; a cell, a pair with all its seeds, is a row of results/bench/*matrix.csv.
Cells that are there already, with the same settings, are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from scripts.bench.rows.row import BENCH, ROOT

# Two layers of 64, so that a pair differs from others in the model and in the sampler alone.
MODELS = {
    **dict.fromkeys(("sage", "gcn", "gat", "gatv2", "gin", "pna"), ("model.hidden_channels=64",)),
    "gcn2": ("model.hidden_channels=64", "model.num_layers=2", "model.dropout=0.5"),
    "appnp": ("model.hidden_channels=64", "model.num_layers=2"),
    "sgc": (),
    "sign": ("model.hidden_channels=64",),
    "mlp": ("model.hidden_channels=64",),
}
# About a twelfth of the graph a step; every training node once an epoch, where that is a choice.
SAMPLERS = {
    "neighbor": ("sampler.num_neighbors=[25,10]", "sampler.batch_size=1024"),
    "neighbor_tree": ("sampler.num_neighbors=[10,5]", "sampler.batch_size=1024"),
    "saint_node": ("sampler.batch_size=3000", "sampler.num_steps=12"),
    "saint_edge": ("sampler.batch_size=1500", "sampler.num_steps=12"),
    "saint_rw": ("sampler.batch_size=700", "sampler.walk_length=2", "sampler.num_steps=12"),
    "cluster": ("sampler.num_parts=50", "sampler.batch_size=5"),
    "gas": ("sampler.num_parts=50", "sampler.batch_size=5"),
    "full": (),
}
COLUMNS = (
    *("started_at", "dataset", "model", "sampler", "settings", "status", "error", "seeds"),
    *("num_parameters", "epoch_median_s", "test_micro_f1", "test_micro_f1_sd", "peak_rss_mib"),
    *("peak_cuda_allocated_mib", "curves", "device", "device_name", "torch_version"),
    *("pyg_version", "commit", "dirty"),
)
Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells that the options name; 1 if one of them was refused."""
    options = options_from(argv)
    has_reddit = (options.data_dir / "Reddit").is_dir()
    dataset = (
        ["dataset=reddit"] if has_reddit else ["dataset=sbm", f"dataset.scale={options.scale:g}"]
    )
    if not has_reddit:
        print(f"*** NO REDDIT in {options.data_dir}: MEASURING ON SYNTHETIC DATA, {dataset} ***")
    path = options.out or ROOT / BENCH / f"{options.device}-matrix.csv"
    refused = 0
    for model, sampler in pairs(options):
        settings = [*dataset, f"model={model}", f"sampler={sampler}", *MODELS[model]]
        settings += [*SAMPLERS[sampler], f"trainer.epochs={options.epochs}", *options.overrides]
        if is_there(settings, options.seeds, path):
            continue
        runs = [run_once([*settings, f"seed={seed}"], options) for seed in range(options.seeds)]
        if not all(runs):
            refused += 1
            continue
        row = cell([run for run in runs if run], settings)
        append(row, path)
        print(told(row), flush=True)
    return 1 if refused else 0


def options_from(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""

    def names(text: str) -> list[str]:
        return text.split(",")

    data_dir = os.environ.get("REDDITGNN_DATA", "data")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=names, default=list(MODELS), help=", ".join(MODELS))
    parser.add_argument("--samplers", type=names, default=list(SAMPLERS), help=", ".join(SAMPLERS))
    parser.add_argument("--pairs", type=names, help="such as sage/full,gat/gas; instead of all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=0.1, help="of sbm (0.1)")
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="CSV to append to (results/bench/...)")
    parser.add_argument("overrides", nargs="*", help="further overrides of every run")
    return parser.parse_args(argv)


def pairs(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the pairs of model and sampler to run."""
    if options.pairs is None:
        return [(model, sampler) for model in options.models for sampler in options.samplers]
    return [tuple(pair.split("/", 1)) for pair in options.pairs]


def is_there(settings: list[str], seeds: int, path: Path) -> bool:
    """Whether `path` has the cell with these settings and seeds."""
    if not path.exists():
        return False
    wanted = " ".join(settings), str(seeds)
    return any((row["settings"], row["seeds"]) == wanted for row in read(path))


def run_once(settings: list[str], options: argparse.Namespace) -> Row | None:
    """Train once; return its row of runs.csv with its `curve`, or None if it was refused."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "redditgnn", "train", *settings]
        command += [f"device={options.device}", f"data_dir={options.data_dir}"]
        done = subprocess.run(
            [*command, f"results_dir={folder}"], capture_output=True, text=True, check=False
        )
        runs = Path(folder) / "runs.csv"
        if not runs.exists():
            print(f"{' '.join(settings)}: {done.stderr.strip()}", file=sys.stderr)
            return None
        (row,) = read(runs)
        epochs = Path(folder) / "runs" / row["run_id"] / "epochs.csv"
        return {**row, "curve": curve(read(epochs) if epochs.exists() else [])}


def read(path: Path) -> list[Row]:
    """Read a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def curve(epochs: list[Row]) -> list[tuple[float, float]]:
    """Return after how many seconds of training which validation micro-F1 was there."""
    points, seconds = [], 0.0
    for epoch in epochs:
        seconds += float(epoch["epoch_s"])
        if epoch["val_micro_f1"]:  # empty where `trainer.eval_every` skips
            points.append((round(seconds, 4), round(float(epoch["val_micro_f1"]), 4)))
    return points


def cell(runs: list[Row], settings: list[str]) -> Row:
    """Put the runs of one pair together; scores only if all of them completed."""
    bad = next((run for run in runs if run["status"] != "completed"), None)
    row = {name: runs[0].get(name) for name in COLUMNS}
    if "sbm" in row["dataset"]:
        row["dataset"] = f"sbm {settings[1].partition('=')[2]}"
    row |= {"settings": " ".join(settings), "seeds": len(runs)}
    if bad:
        return row | {"status": bad["status"], "error": bad["error"]}
    scores = [float(run["test_micro_f1"]) for run in runs]
    return row | {
        "test_micro_f1": mean(scores),
        "test_micro_f1_sd": stdev(scores) if len(scores) > 1 else "",
        "epoch_median_s": median(float(run["epoch_median_s"]) for run in runs),
        "peak_rss_mib": highest("peak_rss_mib", runs),
        "peak_cuda_allocated_mib": highest("peak_cuda_allocated_mib", runs),
        "curves": json.dumps([run["curve"] for run in runs]),
    }


def highest(name: str, runs: list[Row]) -> float | str:
    """Return the highest of the runs' numbers; empty where none has one."""
    return max((float(run[name]) for run in runs if run[name]), default="")


def told(row: Row) -> str:
    """Return a line about a cell."""
    score = f"{row['test_micro_f1']:.4f}" if row["status"] == "completed" else row["error"]
    seconds = f"{row['epoch_median_s'] or '-'} s an epoch, {row['peak_rss_mib']} MiB"
    pair = f"{row['model']:6} {row['sampler']:13}"
    return f"{row['dataset']}  {pair} {row['status']:9}  {seconds}, micro-F1 {score}"


def append(row: Row, path: Path) -> None:
    """Append a row, below the header if there is none yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    sys.exit(main())
