"""Kill processes that share a run at random, again and again, and see that nothing is lost.

usage: python -m scripts.chaos.parallel [--kills 20] [--only KIND,...] [--processes 2] [...]

A kind of run is trained twice: once undisturbed; once while a random rank, or the command that has
started them, gets SIGKILL, or a rank SIGTERM, and the same command is started again. After every
signal all processes must be gone within --patience-s. In the end there must be one completed row,
and the weights and epochs of the undisturbed run, bit for bit. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from scripts.bench.options import names_of
from scripts.bench.timing.ranks import ranks_of
from scripts.chaos.sweep import LAST_CALLS, STEP_S, num_epochs

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4"),
    *("model=sage", "model.hidden_channels=8", "device=cpu", "trainer.checkpoint_every=3"),
    *("trainer.eval_every=10", "parallel.timeout=60s"),
)
KINDS = {
    "data": ("sampler=neighbor", "sampler.batch_size=45", "parallel=data"),
    "stale parts": ("sampler=full", "parallel=partition", "parallel.staleness=1"),
}
EPOCHS = 30  # for each kill, on average
EARLY, EARLY_S = 0.2, 6.0  # share of kills that come some seconds after the start, wherever it is


class Blow(NamedTuple):
    """A signal, and whom it hits."""

    signal: signal.Signals
    hits_command: bool


BLOWS = [
    *[Blow(signal.SIGKILL, hits_command=False)] * 3,
    Blow(signal.SIGKILL, hits_command=True),
    Blow(signal.SIGTERM, hits_command=False),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Disturb every kind of run; return 1 if that changed anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="over all kinds (20)")
    parser.add_argument("--only", type=names_of(KINDS), default=[*KINDS], metavar="KIND,...")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--patience-s", type=float, default=10, help="until all are gone (10; a busy machine: 40)"
    )
    parser.add_argument("--random-seed", type=int, default=0)
    options = parser.parse_args(argv)
    draw = random.Random(options.random_seed)
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(options.only):
            kills = (options.kills + number) // len(options.only)
            shared = [*SMALL, *KINDS[kind], f"parallel.processes={options.processes}"]
            place = Path(folder, kind.replace(" ", "-"))
            problems += [
                f"{kind}: {text}"
                for text in problems_of(shared, place, kills, options.patience_s, draw)
            ]
    print(*(problems or ["the same weights, epochs and rows; nobody is left"]), sep="\n")
    return 1 if problems else 0


def problems_of(
    shared: list[str], place: Path, kills: int, patience_s: float, draw: random.Random
) -> list[str]:
    """Train undisturbed and disturbed, and return what is wrong with the latter."""
    calm, wild = place / "calm", place / "wild"
    epochs = 2 * EPOCHS * kills  # it must not be over before the last kill
    shared = [*shared, f"trainer.epochs={epochs}", f"data_dir={place / 'data'}"]
    if code := subprocess.run(command(shared, calm), stdout=subprocess.DEVNULL).returncode:
        return [f"the undisturbed run ended with {code}"]
    problems = disturb(command(shared, wild), wild, kills, patience_s, draw)
    for _ in range(LAST_CALLS):
        if not subprocess.run(command(shared, wild), stdout=subprocess.DEVNULL).returncode:
            break
    return problems + differences(calm, wild)


def command(overrides: Sequence[str], results_dir: Path) -> list[str]:
    """Return the command of a run."""
    program = [sys.executable, "-m", "redditgnn", "train"]
    return [*program, *overrides, f"results_dir={results_dir}"]


def disturb(
    train: Sequence[str], results_dir: Path, kills: int, patience_s: float, draw: random.Random
) -> list[str]:
    """Start the run and end it, again and again; return what was left of it when it should not."""
    problems: list[str] = []
    for number in range(1, kills + 1):
        over = f"the run was over after {number - 1} of {kills} kills"
        if completed_runs(results_dir):  # by processes that outlived their command for a step
            return [*problems, over]
        process = subprocess.Popen(train, stdout=subprocess.DEVNULL)
        wait_for_moment(process, results_dir, draw)
        if (code := process.poll()) is not None:
            return [*problems, f"{over}: it ended with {code}"]
        ranks, blow = ranks_of(process.pid), draw.choice(BLOWS)
        is_early = not ranks
        victim = process.pid if is_early or blow.hits_command else draw.choice(ranks).pid
        name = "the command" if victim == process.pid else f"one of {len(ranks)} ranks"
        after = f"after {num_epochs(results_dir)} epochs"
        print(f"kill {number}: {blow.signal.name} to {name} {after}", file=sys.stderr, flush=True)
        family = [*psutil.Process(process.pid).children(recursive=True)]
        send(victim, blow.signal)
        if left := those_left(process, family, patience_s):
            problems.append(f"{left} processes are left {patience_s:g} s after kill {number}")
    return problems


def wait_for_moment(
    process: subprocess.Popen[bytes], results_dir: Path, draw: random.Random
) -> None:
    """Wait for a random number of epochs or, at times, of seconds; or until the run is over."""
    start, at_epoch = time.monotonic(), num_epochs(results_dir) + draw.uniform(1, 2 * EPOCHS - 1)
    is_early = draw.random() < EARLY
    early_s = draw.uniform(0, EARLY_S) if is_early else float("inf")
    while process.poll() is None and num_epochs(results_dir) < at_epoch:
        if time.monotonic() - start > early_s:
            return
        time.sleep(STEP_S)


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        print(f"{pid} was gone already", file=sys.stderr)


def those_left(
    process: subprocess.Popen[bytes], family: list[psutil.Process], patience_s: float
) -> int:
    """Wait until all are gone; return how many were not in time, and end them."""
    deadline = time.monotonic() + patience_s
    while (left := [one for one in family if is_alive(one)]) or process.poll() is None:
        if time.monotonic() > deadline:
            break
        time.sleep(STEP_S)
    is_left = process.poll() is None
    for pid in [*(one.pid for one in left), *[process.pid] * is_left]:
        print(f"{pid} is left", file=sys.stderr)
        send(pid, signal.SIGKILL)
    process.wait()
    return len(left) + is_left


def is_alive(process: psutil.Process) -> bool:
    """Whether a process can still do something: its exit code may wait to be read."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def differences(calm: Path, wild: Path) -> list[str]:
    """Return how the disturbed run differs from the other."""
    completed = [completed_runs(results_dir) for results_dir in (calm, wild)]
    if [len(runs) for runs in completed] != [1, 1]:
        return [f"{len(completed[1])} runs were completed, and not one"]
    of_calm, of_wild = (runs[0] for runs in completed)
    problems = []
    if (of_calm / "best.pt").read_bytes() != (of_wild / "best.pt").read_bytes():
        problems.append("other weights")
    if epochs_of(of_calm) != epochs_of(of_wild):
        problems.append("other epochs")
    if left := sorted(path.name for path in of_wild.glob("*checkpoint*")):
        problems.append(f"{', '.join(left)} is left")
    return problems


def completed_runs(results_dir: Path) -> list[Path]:
    """Return the folder of each completed row."""
    path = results_dir / "runs.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "completed"]
    return [results_dir / "runs" / row["run_id"] for row in rows]


def epochs_of(folder: Path) -> list[dict[str, str]]:
    """Return the lines of epochs.csv without seconds."""
    with (folder / "epochs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: cell for k, cell in row.items() if not k.endswith("_s")} for row in rows]


if __name__ == "__main__":
    sys.exit(main())
