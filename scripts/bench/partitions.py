"""Compare the parts of METIS, of Leiden and random ones: CPU seconds, edges cut, test scores.

usage: python -m scripts.bench.partitions [--seeds N] [--side SIDE] [--data-dir DIR] KEY=VALUE ...

The words are those of `redditgnn train`, and choose data, model and sampler. Each side makes the
parts several times, on one thread. Then it trains with as many seeds. The parts are the same in
each run, but random ones are drawn from its seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import redditgnn
from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import parts_of, random_parts
from redditgnn.verify.verdict import sample_of
from scripts.bench.options import new_parser
from scripts.bench.rows.row import Row, with_times
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.timing.alternate import Side, alternate

METIS, LEIDEN, RANDOM = SIDES = ("metis", "leiden", "random")
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class PartitionRow(Row):
    """A row whose seconds are CPU seconds of making the parts.

    `cut_share`: edges that join two parts. Scores are micro-F1 on the test nodes over `seeds` runs,
    mean and standard deviation.
    """

    num_parts: int
    cut_share: float
    seeds: int
    score_mean: float
    score_std: float | None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("partitions", __doc__)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each side (5)")
    parser.add_argument("--side", choices=SIDES, help="only this one, beside the time of METIS")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("overrides", nargs="+", metavar="KEY=VALUE", help="of redditgnn train")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    sheet = Sheet(options.out or csv_path("cpu", "partitions"), torch.device("cpu"))
    overrides = [*options.overrides, f"data_dir={options.data_dir}", "device=cpu"]
    for row in measure(overrides, options.seeds, [options.side] if options.side else SIDES):
        sheet.write(row)
    return 0


def measure(overrides: Sequence[str], seeds: int, sides: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each of `sides`, which are ways to make parts."""
    settings = compose_settings([*overrides])
    graph: GraphData = settings.build("dataset", Path(settings.data_dir))
    number = settings.components["sampler"]["num_parts"]
    alone = replace(graph, cache_dir=None)  # which has no parts to load
    calls = [
        Side(side, partial(make_parts, alone, number, side))
        for side in dict.fromkeys((METIS, *sides))
    ]
    timings = alternate(calls, repeats=REPEATS, budget_s=0, clock=time.process_time)
    for side in sides:
        scores = sample_of([score(overrides, side, seed) for seed in range(seeds)])
        row = PartitionRow(
            program="partitions",
            dataset=graph.name,
            nodes=graph.num_nodes,
            edges=graph.num_edges,
            work="parts",
            side=side,
            reference=METIS,
            settings=" ".join(word for word in overrides if not word.startswith("data_dir=")),
            num_parts=number,
            cut_share=cut_share(graph, make_parts(alone, number, side)),
            seeds=seeds,
            score_mean=scores.mean,
            score_std=scores.deviation,
        )
        yield with_times(row, timings[side], timings[METIS])


def make_parts(graph: GraphData, number: int, side: str) -> list[torch.Tensor]:
    """Return the node ids of each part, as the sampler cuts them."""
    if side == RANDOM:
        return random_parts(graph, number, torch.Generator().manual_seed(0))
    return parts_of(graph, number, "leiden" if side == LEIDEN else "metis")


def cut_share(graph: GraphData, parts: Sequence[torch.Tensor]) -> float:
    """Return the share of edges whose ends are in different parts."""
    part = torch.empty(graph.num_nodes, dtype=torch.int64)
    for number, ids in enumerate(parts):
        part[ids] = number
    rows = np.repeat(part.numpy(), graph.degree.numpy())
    return float(np.mean(rows != part[graph.col.long()].numpy()))


def score(overrides: Sequence[str], side: str, seed: int) -> float:
    """Train with the parts of a side, and return the micro-F1 on the test nodes."""
    with TemporaryDirectory() as folder:
        words = [f"sampler.partition={side}", f"seed={seed}", f"results_dir={folder}"]
        redditgnn.train([*overrides, *words])
        return float(redditgnn.load_results(folder).test_micro_f1.iloc[-1])


if __name__ == "__main__":
    sys.exit(main())
