"""Kill a sweep and its runs at random, again and again, and see that nothing is lost or changed.

usage: python scripts/chaos_sweep.py [--kills 20] [--seeds 6] [--jobs 4] [--random-seed 0]

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
SMALL = ("dataset=sbm", "dataset.scale=0.01", "trainer.epochs=30", "trainer.checkpoint_every=3")
CALM_S = (3.0, 15.0)  # between two kills, while there are processes of runs
STEP_S = 0.2
LAST_CALLS = 5  # without kills, until everything is complete
Scores = dict[tuple[str, str], tuple[str, ...]]


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
        seeds = f"seed=range({arguments.seeds})"
        shared = [*SMALL, *SWEPT, seeds, f"sweep.jobs={arguments.jobs}", f"data_dir={data_dir}"]
        if code := subprocess.run(command(shared, calm)).returncode:
            print(f"the undisturbed sweep ended with {code}")
            return 1
        num_kills = disturb(command(shared, wild), arguments.kills, draw)
        for _ in range(LAST_CALLS):
            if not subprocess.run(command(shared, wild)).returncode:
                break
        return compared(completed(calm), completed(wild), num_kills, arguments.kills)


def command(overrides: Sequence[str], results_dir: Path) -> list[str]:
    """Return the command of one sweep."""
    program = [sys.executable, "-m", "redditgnn", "train", "-m"]
    return [*program, *overrides, f"results_dir={results_dir}"]


def disturb(sweep: Sequence[str], num_kills: int, draw: random.Random) -> int:
    """Kill processes of the sweep, starting it again when it is gone; return how many."""
    process = subprocess.Popen(sweep)
    for number in range(num_kills):
        pause = draw.uniform(*CALM_S)
        while pause > 0:
            time.sleep(STEP_S)
            if process.poll() == 0:
                return number  # everything is complete: nothing is left to kill
            if process.returncode is not None:
                process = subprocess.Popen(sweep)
            if len(family(process.pid)) > 1:  # before there are runs, it only imports and plans
                pause -= STEP_S
        victim = draw.choice(family(process.pid) or [process.pid])
        name = "the sweep" if victim == process.pid else "a run"
        print(f"kill {number + 1}: {name}, process {victim}", flush=True)
        killed(victim)
    killed(process.pid)
    process.wait()
    return num_kills


def family(pid: int) -> list[int]:
    """Return the sweep's process and those of its runs."""
    try:
        process = psutil.Process(pid)
        found = [process, *process.children(recursive=True)]
        return [one.pid for one in found if one.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def killed(pid: int) -> None:
    """Kill it as the system does for want of memory."""
    try:
        psutil.Process(pid).kill()
    except psutil.NoSuchProcess:
        print(f"{pid} was gone already")


def completed(results_dir: Path) -> list[tuple[tuple[str, str], tuple[str, ...]]]:
    """Return configuration and seed, and scores, of each completed row."""
    with (results_dir / "runs.csv").open(newline="") as file:
        return [
            ((row["config_hash"], row["seed"]), tuple(row[name] for name in COMPARED))
            for row in csv.DictReader(file)
            if row["status"] == "completed"
        ]


def compared(calm: list, wild: list, num_kills: int, wanted: int) -> int:
    """Say how the two differ; return 1 if they do, or if there was too little to kill."""
    print(f"{num_kills} kills; completed: {len(calm)} undisturbed, {len(wild)} disturbed")
    expected, found = dict(calm), dict(wild)
    problems = [f"{key} was completed twice" for key in found if wild.count((key, found[key])) > 1]
    problems += [f"{key} is missing" for key in expected if key not in found]
    problems += [
        f"{key}: {COMPARED} are {scores}, not {expected.get(key)}"
        for key, scores in found.items()
        if scores != expected.get(key)
    ]
    if len(wild) != len(found):
        problems.append(f"{len(wild) - len(found)} runs were completed more than once")
    if num_kills < wanted:
        problems.append(f"the sweep was over behind {num_kills} of {wanted} kills: give more seeds")
    print(*(problems or ["the same rows and scores"]), sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
