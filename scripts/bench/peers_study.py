"""Train GAT on PubMed here, in PyG and in DGL: accuracy, seconds of an epoch, peak memory.

usage: python -m scripts.bench.peers_study [--seeds N] [--epochs N] [--data-dir DIR]

Each training is a process of its own. A seed is trained by all sides before the next one.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.verify.verdict import sample_of
from scripts.bench.options import new_parser
from scripts.bench.peers.gat_training import DGL, PYG, SIDES
from scripts.bench.rows.row import Row, with_times
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.timing.alternate import Timing
from scripts.bench.timing.processes import run_module

# Value dropout is left out: neither peer has it. All epochs are run, as the peers' loops do.
SETTINGS = ("experiment=pubmed_gat", "model.value_dropout=0.0", "trainer.patience=null")


@dataclass(frozen=True, kw_only=True)
class PeerRow(Row):
    """A row whose seconds are the medians over the epochs of each run, without evaluation.

    `peak_mib` is the largest of any run, of the whole process. Accuracies are on the test nodes, at
    the epoch of the lowest validation loss: mean and standard deviation over the runs.
    """

    accuracy_mean: float | None = None
    accuracy_std: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("peers_study", __doc__)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each side (10)")
    parser.add_argument("--epochs", type=int, default=200, help="of each run (200)")
    parser.add_argument("--data-dir", default=os.environ.get("REDDITGNN_DATA", "data"))
    options = parser.parse_args(argv)
    sheet = Sheet(options.out or csv_path("cpu", "peers"), torch.device("cpu"))
    words = [*SETTINGS, f"trainer.epochs={options.epochs}"]
    place = [f"data_dir={options.data_dir}", "device=cpu"]
    graph = Parts(compose_settings([*words, *place])).graph
    outcomes = train_all(available_sides(), [*words, *place], options.seeds)
    for row in rows_of(outcomes, graph, " ".join(words)):
        sheet.write(row)
    return 0


def available_sides() -> list[str]:
    """Return the sides that can be imported; say how to get DGL if it is missing."""
    if importlib.util.find_spec("dgl") is not None:
        return [*SIDES]
    print("DGL is not installed; 'make dgl' puts it beside PyG", file=sys.stderr)
    return [side for side in SIDES if side != DGL]


def train_all(
    sides: Sequence[str], overrides: Sequence[str], seeds: int
) -> dict[str, list[dict[str, Any]]]:
    """Train every seed with every side; each seed begins with another side."""
    outcomes: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for seed in range(seeds):
        first = seed % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            arguments = [side, str(seed), *overrides]
            outcome = run_module("scripts.bench.peers.gat_training", arguments)
            outcomes[side].append(outcome)
            print(side, f"seed {seed}:", outcome, flush=True)
    return outcomes


def rows_of(
    outcomes: dict[str, list[dict[str, Any]]], graph: GraphData, settings: str
) -> Iterator[PeerRow]:
    """Yield a row for each side. A side of which a run failed has no numbers."""
    failures = {s: [run for run in runs if "accuracy" not in run] for s, runs in outcomes.items()}
    timings = {
        side: Timing([run["epoch_s"] for run in runs])
        for side, runs in outcomes.items()
        if not failures[side]
    }
    for side, runs in outcomes.items():
        facts: dict[str, Any] = {"dataset": graph.name, "nodes": graph.num_nodes}
        facts |= {"edges": graph.num_edges, "work": "gat training", "reference": PYG}
        facts |= {"program": "peers_study", "side": side, "settings": settings}
        if side not in timings:
            yield PeerRow(**facts, **failures[side][0])
            continue
        scores = sample_of([run["accuracy"] for run in runs])
        row = PeerRow(
            **facts,
            peak_mib=max(run["peak_mib"] for run in runs),
            accuracy_mean=scores.mean,
            accuracy_std=scores.deviation,
        )
        yield with_times(row, timings[side], timings.get(PYG))


if __name__ == "__main__":
    sys.exit(main())
