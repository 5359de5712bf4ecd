"""Kill a sweep and its runs at random, again and again, and see that nothing is lost or changed.

usage: python -m scripts.chaos.sweep [--kills 20] [--seeds 6] [--jobs 4] [--random-seed 0]

Sweeps 4 configurations over some seeds twice: once undisturbed; once while the sweep's process and
those of its runs are killed with SIGKILL, and the same command is started again. At the end both
runs.csv must have the same completed rows, each once, with the same scores. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

COMPARED = ("best_epoch", "epochs", "train_loss", "val_micro_f1", "test_micro_f1", "test_macro_f1")
SWEPT = ("model=sage,gcn", "model.hidden_channels=16,32")
NUM_CONFIGURATIONS = 4
EPOCHS = 60
SMALL = ("dataset=sbm", "dataset.scale=0.01", "trainer.checkpoint_every=5")
EARLY = 0.25  # of all kills: some seconds after the last, wherever the sweep is
EARLY_S = 8.0
STEP_S = 0.1
LAST_CALLS = 5  # without kills, until everything is complete
Run = tuple[tuple[str, str], tuple[str, ...]]  # configuration and seed, scores


def main(argv: Sequence[str] | None = None) -> int:
    """Run both sweeps and compare them; return 1 if they differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--random-seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    draw = random.Random(arguments.random_seed)
    with tempfile.TemporaryDirectory() as folder:
        data_dir, calm, wild = (Path(folder) / name for name in ("data", "calm", "wild"))
        several = [f"seed=range({arguments.seeds})", f"sweep.jobs={arguments.jobs}"]
        shared = [*SMALL, *SWEPT, f"trainer.epochs={EPOCHS}", *several, f"data_dir={data_dir}"]
        if code := subprocess.run(command(shared, calm)).returncode:
            print(f"the undisturbed sweep ended with {code}")
            return 1
        pace = EPOCHS * NUM_CONFIGURATIONS * arguments.seeds / (1.5 * arguments.kills)
        num_kills = disturb(command(shared, wild), wild, arguments.kills, pace, draw)
        for _ in range(LAST_CALLS):
            if not subprocess.run(command(shared, wild)).returncode:
                break
        return compare(completed(calm), completed(wild), num_kills, arguments.kills)


def command(overrides: Sequence[str], results_dir: Path) -> list[str]:
    """Return the command of one sweep."""
    program = [sys.executable, "-m", "redditgnn", "train", "-m"]
    return [*program, *overrides, f"results_dir={results_dir}"]


def disturb(
    sweep: Sequence[str], results_dir: Path, kills: int, pace: float, draw: random.Random
) -> int:
    """Kill processes of the sweep, starting it again when it is gone; return how many.

    Between two kills there are `pace` epochs on average, however fast this machine is.
    """
    process = subprocess.Popen(sweep)
    for number in range(kills):
        start, at_epoch = time.monotonic(), num_epochs(results_dir) + draw.uniform(0, 2 * pace)
        early_s = draw.uniform(0, EARLY_S) if draw.random() < EARLY else float("inf")
        while num_epochs(results_dir) < at_epoch and time.monotonic() - start < early_s:
            time.sleep(STEP_S)
            if process.poll() == 0:
                return number  # everything is complete: nothing is left to kill
            if process.returncode is not None:
                process = subprocess.Popen(sweep)
        victim = draw.choice(family(process.pid) or [process.pid])
        name = "the sweep" if victim == process.pid else "a run"
        print(f"kill {number + 1}: {name}, process {victim}", flush=True)
        kill(victim)
    kill(process.pid)
    process.wait()
    return kills


def num_epochs(results_dir: Path) -> int:
    """Return how many epochs all runs have recorded."""
    texts = (path.read_bytes() for path in results_dir.glob("runs/*/epochs.csv"))
    return sum(max(0, text.count(b"\n") - 1) for text in texts)


def family(pid: int) -> list[int]:
    """Return the sweep's process and those of its runs."""
    try:
        process = psutil.Process(pid)
        processes = [process, *process.children(recursive=True)]
        return [one.pid for one in processes if one.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def kill(pid: int) -> None:
    """Kill a process as the system does when memory runs out."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        print(f"{pid} was gone already")


def completed(results_dir: Path) -> list[Run]:
    """Return configuration and seed, and scores, of each completed row."""
    with (results_dir / "runs.csv").open(newline="") as file:
        return [
            ((row["config_hash"], row["seed"]), tuple(row[name] for name in COMPARED))
            for row in csv.DictReader(file)
            if row["status"] == "completed"
        ]


def compare(calm: list[Run], wild: list[Run], num_kills: int, planned: int) -> int:
    """Print how the two differ; return 1 if they do, or if there was too little to kill."""
    print(f"{num_kills} kills; completed: {len(calm)} undisturbed, {len(wild)} disturbed")
    expected, actual = dict(calm), dict(wild)
    twice = [key for key, scores in actual.items() if wild.count((key, scores)) > 1]
    problems = [f"{key} was completed twice" for key in twice]
    problems += [f"{key} is missing" for key in expected if key not in actual]
    problems += [
        f"{key}: {COMPARED} are {scores}, not {expected.get(key)}"
        for key, scores in actual.items()
        if scores != expected.get(key)
    ]
    if len(wild) != len(actual):
        problems.append(f"{len(wild) - len(actual)} runs were completed more than once")
    if num_kills < planned:
        problems.append(f"the sweep was over after {num_kills} of {planned} kills: give more seeds")
    print(*(problems or ["the same rows and scores"]), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
