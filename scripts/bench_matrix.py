"""Train every model with every sampler for a few epochs: the matrix of epoch times and scores.

usage: python scripts/bench_matrix.py [--models M,...] [--samplers S,...] [--epochs N] [...]

On Reddit where data_dir has it, on dataset=sbm where not. Each cell is one `redditgnn train` in a
process of its own, read from the runs.csv that it leaves; it is a row of results/bench/*matrix.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchrow import BENCH, ROOT

MODELS = ["sage", "gcn", "gat", "gatv2"]
SAMPLERS = ["neighbor", "saint_edge", "cluster", "gas", "full"]
COLUMNS = (
    *("started_at", "dataset", "model", "sampler", "status", "error", "epochs", "epoch_median_s"),
    *("sample_s", "transfer_s", "compute_s", "eval_s", "peak_rss_mib", "peak_cuda_allocated_mib"),
    *("val_micro_f1", "num_parameters", "device", "device_name", "torch_version", "pyg_version"),
    *("commit", "dirty", "hyperparameters"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells that the options name; 1 if one of them was refused."""
    options = options_from(argv)
    has_reddit = (options.data_dir / "Reddit").is_dir()
    dataset = (
        ["dataset=reddit"] if has_reddit else ["dataset=sbm", f"dataset.scale={options.scale}"]
    )
    if not has_reddit:
        print(f"*** NO REDDIT in {options.data_dir}: MEASURING ON SYNTHETIC DATA, {dataset} ***")
    path = options.out or ROOT / BENCH / f"{options.device}-matrix.csv"
    refused = 0
    for model in options.models:
        for sampler in options.samplers:
            row = run_cell(model, sampler, dataset, options)
            if row is None:
                refused += 1
                continue
            if not has_reddit:
                row["dataset"] = f"sbm {options.scale:g}"
            append(row, path)
            print(
                f"{row['dataset']}  {model:6} {sampler:10}  {row['status']:9}  "
                f"{row['epoch_median_s'] or '-'} s an epoch, {row['peak_rss_mib']} MiB, "
                f"val micro-F1 {row['val_micro_f1'] or '-'}",
                flush=True,
            )
    return 1 if refused else 0


def options_from(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    data_dir = os.environ.get("REDDITGNN_DATA", "data")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--samplers", type=lambda text: text.split(","), default=SAMPLERS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=0.1, help="of sbm (0.1)")
    parser.add_argument("--data-dir", type=Path, default=Path(data_dir))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, help="CSV to append to (results/bench/...)")
    parser.add_argument("overrides", nargs="*", help="further overrides of every run")
    return parser.parse_args(argv)


def run_cell(
    model: str, sampler: str, dataset: list[str], options: argparse.Namespace
) -> dict[str, str] | None:
    """Train once; return the row of runs.csv, or None if the pair was refused."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "redditgnn", "train", f"model={model}"]
        command += [f"sampler={sampler}", *dataset, f"trainer.epochs={options.epochs}"]
        command += [f"trainer.eval_every={options.epochs}", f"device={options.device}"]
        command += [f"data_dir={options.data_dir}", f"results_dir={folder}", *options.overrides]
        done = subprocess.run(command, capture_output=True, text=True)
        runs = Path(folder) / "runs.csv"
        if not runs.exists():
            print(f"model={model} sampler={sampler}: {done.stderr.strip()}", file=sys.stderr)
            return None
        with runs.open(newline="", encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
        return {name: row[name] for name in COLUMNS}


def append(row: dict[str, str], path: Path) -> None:
    """Append a row, below the header if there is none yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    sys.exit(main())
