"""Measure training at Reddit's full size: ours, and what a user of PyG writes.

usage: python -m scripts.bench.full_size [--scale S] [--only WORK,...] [...]

"gat full epoch": PyG's two layers run out of memory here. What they would need is reckoned from
smaller graphs: their peak grows with the edges, so it is extrapolated along a straight line.
"sage neighbor epoch": all batches of an epoch; PyG gets the form of its adjacency and the number of
worker processes that are fastest on a few batches. "gat saint_rw run": a whole `redditgnn train`,
from the start of its process to its end, of two epochs with an exact evaluation after each.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.nn import functional as F

from redditgnn.runtime.measure import MIB
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.matrix import Cell, run_once
from scripts.bench.options import add_setup, new_parser, setup_from
from scripts.bench.peers.pyg_training import (
    PygFullTraining,
    PygModel,
    PygTraining,
    fastest,
    gat_convs,
    pyg_can_sample,
    sage_convs,
    sparse_transform,
)
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.step_bench import (
    BATCH_SIZE,
    DROPOUT,
    HIDDEN,
    LR,
    OPTIMIZER,
    SAMPLED,
    TUNING_BATCHES,
    StepBench,
)
from scripts.bench.timing.alternate import Side, spread
from scripts.bench.timing.memory import memory_of

SMALLER = (0.025, 0.05, 0.075)  # of the scale: graphs on which PyG's GAT is tried
GAT_HIDDEN, GAT_DROPOUT = 64, 0.6  # conf/model/gat.yaml
SAINT_RUN = ("model=gat", "sampler=saint_rw", "trainer.epochs=2")


def gat_full(work: str, bench: StepBench) -> list[Row]:
    """Time a full-graph epoch of GAT; try PyG's, and reckon what it would need."""
    ours = bench.ours(["model=gat", "sampler=full", *OPTIMIZER])
    pyg = pyg_gat(bench, ours)
    sides = [Side("ours", ours.epoch), Side("pyg", pyg.epoch)]
    losses = {"ours": ours.losses, "pyg": pyg.losses}
    settings = {"layers": 2, "hidden": GAT_HIDDEN, "heads": 8, "dropout": GAT_DROPOUT}
    rows = bench.compare(work, sides, settings, losses=losses)
    return [row if row.status == "completed" else with_need(row, bench, ours) for row in rows]


def pyg_gat(bench: StepBench, ours: OurTraining) -> PygFullTraining:
    """Return PyG's training of the same GAT on the whole graph, from our weights."""
    widths = bench.graph.spec.num_features, GAT_HIDDEN, bench.graph.num_classes
    model = PygModel(gat_convs(widths, dropout=GAT_DROPOUT), F.elu, GAT_DROPOUT)
    model.convs.load_state_dict(ours.model.convs.state_dict())
    return PygFullTraining(bench.graph, model, lr=LR, device=bench.device)


def with_need(row: Row, bench: StepBench, ours: OurTraining) -> Row:
    """Fill in the memory that PyG's epoch would need, from graphs on which it completes."""
    points: list[tuple[int, float]] = []
    for share in SMALLER:
        smaller = bench.at_scale(share)
        memory = memory_of(pyg_gat(smaller, ours).epoch, bench.device)
        if memory is None:
            break
        points.append((smaller.graph.num_edges, memory.extra_mib))
    if len(points) < 2:
        return row
    tried = ", ".join(f"{size / 1e6:.1f} M: {need:.0f}" for size, need in points)
    note = f"{row.note}; extra_mib is reckoned from these (edges: MiB): {tried}"
    return replace(row, extra_mib=needed_mib(points, row.edges), note=note)


def needed_mib(points: Sequence[tuple[int, float]], num_edges: int) -> float:
    """Return the MiB at `num_edges` on the straight line through (edges, MiB)."""
    edges, mib = np.array(points).T
    slope, intercept = np.polyfit(edges, mib, 1)
    return float(slope * num_edges + intercept)


def sage_neighbor(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch of GraphSAGE with sampled neighbours."""
    ours = bench.ours(["model=sage", *SAMPLED])
    trainings: dict[str, OurTraining | PygTraining] = {"ours": ours}
    settings: dict[str, Any] = {"hidden": HIDDEN, "dropout": DROPOUT, "batches": len(ours.sampler)}
    note = "PyG's loaders are missing"
    if pyg_can_sample():
        workers, note = bench.num_workers
        name, transform, tried = fastest_form(bench, workers)
        trainings[name] = pyg_sage(bench, ours, workers, transform)
        settings["pyg_num_workers"], note = workers, f"{note}; {tried}"
    sides = [Side(name, training.epoch) for name, training in trainings.items()]
    losses = {name: training.losses for name, training in trainings.items()}
    return bench.compare(work, sides, settings, note, losses)


def pyg_sage(bench: StepBench, ours: OurTraining, workers: int, transform: Any) -> PygTraining:
    """Return PyG's training from our first weights."""
    model = PygModel(sage_convs(bench.widths), F.relu, DROPOUT)
    model.convs.load_state_dict(ours.model.convs.state_dict())
    return bench.pyg(bench.graph, model, num_workers=workers, transform=transform)


def fastest_form(bench: StepBench, workers: int) -> tuple[str, Any, str]:
    """Return name and transform of PyG's fastest adjacency on a few batches, and the times."""
    few = first_targets(bench.graph, TUNING_BATCHES * BATCH_SIZE)
    forms = {"pyg": None, "pyg sparse": sparse_transform()}

    def epoch_with(form: str) -> Callable[[], None]:
        model = PygModel(sage_convs(bench.widths), F.relu, DROPOUT)
        return bench.pyg(few, model, num_workers=workers, transform=forms[form]).epoch

    best, text = fastest(epoch_with, [*forms])
    return best, forms[best], text


def saint_run(work: str, bench: StepBench) -> list[Row]:
    """Time whole runs of `redditgnn train`; nothing of PyG's does the same."""
    runs = [train_in_process(bench) for _ in range(bench.setup.repeats)]
    median, low, high = spread([seconds for seconds, _ in runs])
    peak = max(float(run["peak_rss_mib"]) for _, run in runs)
    scores = ", ".join(sorted({run["test_micro_f1"] for _, run in runs}))
    row = replace(bench.row(work, "ours", "ours"), n=len(runs), median_s=median)
    return [
        replace(
            row,
            low_s=low,
            high_s=high,
            extra_mib=peak - bench.graph.num_bytes / MIB,
            peak_mib=peak,
            settings=json.dumps({"overrides": " ".join(SAINT_RUN)}),
            note=f"test micro-F1 {scores}",
        )
    ]


def train_in_process(bench: StepBench) -> tuple[float, Cell]:
    """Train once in a new process; return its seconds and its row of runs.csv."""
    start = time.perf_counter()
    row = run_once([*bench.setup.overrides, *SAINT_RUN, f"device={bench.setup.device_name}"])
    seconds = time.perf_counter() - start
    if row is None or row["status"] != "completed":
        raise RuntimeError(f"{' '.join(SAINT_RUN)} {row['error'] if row else 'was refused'}")
    return seconds, row


WORKS: dict[str, Callable[[str, StepBench], list[Row]]] = {
    "gat full epoch": gat_full,
    "sage neighbor epoch": sage_neighbor,
    "gat saint_rw run": saint_run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("full_size", __doc__)
    add_setup(parser, works=WORKS, default=WORKS)
    parser.set_defaults(scale=1.0)
    options = parser.parse_args(argv)
    setup = setup_from(options)
    sheet = Sheet(
        options.out or csv_path(setup.device_name, "full"), setup.device, setup.memory_limit_gib
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            bench = StepBench(setup, Path(folder), program="full", batches=0, num_workers=None)
            for row in WORKS[name](name, bench):
                sheet.write(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
