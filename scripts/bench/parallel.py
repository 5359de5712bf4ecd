"""Time one process beside several that share a run: seconds of an epoch, waiting, memory.

usage: python -m scripts.bench.parallel [--rounds N] [--only WORK,...] [--baseline REF] [...]

A side is a number of processes times threads of each, and a round is one `redditgnn train` of every
side. The first epoch of a run warms up and is left out. The last work compares one process with the
code of an earlier commit, by default the one before processes could share a run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.parts import Parts
from scripts import ROOT
from scripts.bench.matrix import read
from scripts.bench.options import add_place, names_of, new_parser
from scripts.bench.rows.row import Row, with_times
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.timing.alternate import Timing
from scripts.bench.timing.shared_memory import MemoryOfRanks, Occupied

NOTHING = Occupied(0.0, 0.0)
BASELINE = "7677f8a"  # the last commit without distributed/


@dataclass(frozen=True)
class Work:
    """A training, how processes share it, and the scale of its graph relative to --scale."""

    mode: str  # data | partition | none: beside the baseline
    epochs: int
    scale: float
    overrides: tuple[str, ...]


NEIGHBOR = ("model=sage", "sampler=neighbor")
WORKS = {
    "data sage neighbor": Work("data", 3, 1.0, NEIGHBOR),
    "partition sage full": Work("partition", 5, 0.5, ("model=sage", "sampler=full")),
    "partition gat full": Work("partition", 5, 0.5, ("model=gat", "sampler=full")),
    "none sage neighbor": Work("none", 4, 0.25, NEIGHBOR),
}


@dataclass(frozen=True)
class Side:
    """So many processes with so many threads each, and the sources that they run."""

    processes: int
    threads: int
    commit: str = ""

    @property
    def name(self) -> str:
        """How rows call it."""
        return f"{self.processes} x {self.threads}{self.commit and f' of {self.commit}'}"


@dataclass
class Measured:
    """What the rounds of a side gave. `failure` is the last line of a run that did not complete."""

    epochs_s: list[float] = field(default_factory=list)
    wait_shares: list[float] = field(default_factory=list)
    sent_mib: float = 0.0
    memory: list[Occupied] = field(default_factory=list)
    backend: str = ""
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class ParallelRow(Row):
    """A row whose seconds are those of epochs, without evaluation.

    `threads` are those of a process. `wait_share`: time of rank 0 in collectives over that of the
    training. `pss_mib`: memory of all processes, each page counted once. `pss_ratio`: over that of
    one process and the private part of it for each further process.
    """

    processes: int
    threads: int
    backend: str = ""
    wait_share: float | None = None
    sent_mib: float | None = None
    pss_mib: float | None = None
    pss_ratio: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say; return 1 if a run failed."""
    options = parse(argv)
    sheet = Sheet(options.out or csv_path(options.device, "parallel"), torch.device(options.device))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            for row in measure(name, options, Path(folder)):
                sheet.write(row)
                failed |= row.status != "completed"
    return 1 if failed else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options of the command line."""
    parser = new_parser("parallel", __doc__)
    add_place(parser, scale=0.2)
    parser.add_argument("--rounds", type=int, default=2, help="runs of each side (2)")
    parser.add_argument("--baseline", default=BASELINE, metavar="REF", help=f"commit ({BASELINE})")
    parser.add_argument(
        "--only", type=names_of(WORKS), default=[*WORKS], metavar="WORK,...", help=", ".join(WORKS)
    )
    return parser.parse_args(argv)


def measure(name: str, options: argparse.Namespace, folder: Path) -> Iterator[ParallelRow]:
    """Yield a row for each side of a work."""
    work, sides = WORKS[name], sides_of(WORKS[name], options)
    overrides = overrides_of(work, sides, options)
    measured = {side.name: Measured() for side in sides}
    for number in range(options.rounds):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            print(f"round {number + 1}: {name}, {side.name}", file=sys.stderr, flush=True)
            run_side(work, side, overrides, folder, measured[side.name])
    row = common_row(name, f"sbm {options.scale * work.scale:g}", overrides, sides[0].name)
    for side in sides:
        yield row_of(row, side, measured)


def common_row(name: str, dataset: str, overrides: Sequence[str], reference: str) -> ParallelRow:
    """Return what the rows of a work have in common."""
    graph = Parts(compose_settings([*overrides])).graph
    return ParallelRow(
        program="parallel",
        dataset=dataset,
        nodes=graph.num_nodes,
        edges=graph.num_edges,
        work=name,
        side="",
        reference=reference,
        settings=" ".join(word for word in overrides if not word.startswith("data_dir=")),
        processes=1,
        threads=1,
    )


def sides_of(work: Work, options: argparse.Namespace) -> list[Side]:
    """Return the sides, the reference first: numbers of processes that this machine has room for.

    A machine has room for as many processes as it has cores or, on CUDA, GPUs.
    """
    if work.mode == "none":
        return [Side(1, 1, options.baseline), Side(1, 1)]
    is_cuda = options.device == "cuda"
    most = torch.cuda.device_count() if is_cuda else os.cpu_count() or 1
    numbers = [number for number in (2, 4, 8)[: 3 if is_cuda else 2] if number <= most]
    threads = [] if is_cuda or work.mode != "data" else [Side(1, number) for number in numbers]
    return [Side(1, 1), *threads, *(Side(number, 1) for number in numbers)]


def overrides_of(work: Work, sides: Sequence[Side], options: argparse.Namespace) -> list[str]:
    """Return the settings that all sides have in common."""
    words = [*work.overrides, "dataset=sbm", f"dataset.scale={options.scale * work.scale:g}"]
    words += [f"trainer.epochs={work.epochs}", f"trainer.eval_every={work.epochs}"]
    if work.mode == "data":
        most = max(side.processes for side in sides)
        words.append(f"trainer.batches_per_step={most}")
    return [*words, f"device={options.device}", f"data_dir={options.data_dir.absolute()}"]


def run_side(
    work: Work, side: Side, overrides: Sequence[str], folder: Path, measured: Measured
) -> None:
    """Train once, and add what that took to `measured`."""
    words, sources = [*overrides], ROOT
    if side.processes > 1:
        words += [f"parallel={work.mode}", f"parallel.processes={side.processes}"]
    if side.commit:
        sources = checkout(side.commit, folder)
        words.append(f"data_dir={folder / 'data'}")  # its cache may have another form
    environment = {**os.environ, "PYTHONPATH": str(sources / "src")}
    environment["OMP_NUM_THREADS"] = str(side.processes * side.threads)  # processes divide them
    with tempfile.TemporaryDirectory(dir=folder) as results:
        command = [sys.executable, "-m", "redditgnn", "train", *words, f"results_dir={results}"]
        process = subprocess.Popen(
            command, env=environment, cwd=sources, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        with MemoryOfRanks(process.pid, side.processes) as memory:
            errors = process.communicate()[1].decode(errors="replace")
        if process.returncode != 0:
            measured.failure = (errors.strip().splitlines() or ["no message"])[-1]
            return
        measured.memory.append(memory.peak)
        take_in(Path(results), measured)


def take_in(results: Path, measured: Measured) -> None:
    """Read the seconds of the only run in `results`, the first epoch left out."""
    (row,) = read(results / "runs.csv")
    epochs = read(results / "runs" / row["run_id"] / "epochs.csv")
    seconds = [float(epoch["epoch_s"]) for epoch in epochs]
    measured.epochs_s += seconds[1:] or seconds
    measured.backend = row.get("backend", "")
    if row.get("wait_s"):
        measured.wait_shares.append(float(row["wait_s"]) / float(row["train_s"]))
        measured.sent_mib = float(row["sent_mib"])


def checkout(commit: str, folder: Path) -> Path:
    """Return a copy of the repository at `commit`, which is made once."""
    place = folder / f"code-{commit}"
    if not place.exists():
        archive = subprocess.check_output(["git", "-C", str(ROOT), "archive", commit])
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(place, filter="data")
    return place


def row_of(row: ParallelRow, side: Side, measured: dict[str, Measured]) -> ParallelRow:
    """Fill in what was measured of a side."""
    own, first = measured[side.name], measured[row.reference]
    facts: dict[str, Any] = {
        "processes": side.processes,
        "threads": side.threads,
        "backend": own.backend,
    }
    row = replace(row, side=side.name, **facts)
    if own.failure:
        return replace(row, status="failed", note=own.failure)
    if own.wait_shares:
        share = statistics.median(own.wait_shares)
        row = replace(row, wait_share=share, sent_mib=own.sent_mib)
    row = with_memory(row, max(own.memory), max(first.memory, default=NOTHING))
    timing = Timing(first.epochs_s) if first.epochs_s and not first.failure else None
    return with_times(row, Timing(own.epochs_s), timing)


def with_memory(row: ParallelRow, own: Occupied, of_one: Occupied) -> ParallelRow:
    """Fill in the memory of a side; `of_one`: of one process."""
    if own == NOTHING:
        return row
    row, expected = replace(row, pss_mib=own.pss), of_one.pss + (row.processes - 1) * of_one.private
    is_ratio = row.processes > 1 and of_one != NOTHING
    return replace(row, pss_ratio=own.pss / expected) if is_ratio else row


if __name__ == "__main__":
    sys.exit(main())
