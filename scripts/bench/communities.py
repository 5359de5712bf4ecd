"""Time community detection: ours, and igraph, networkit and scikit-network where installed.

usage: python -m scripts.bench.communities [--scale S] [--dataset D] [--only SIDE,...] [...]

Every side begins with our graph in memory, makes its own from that, and searches once on one
thread, with modularity at resolution 1. Seconds are CPU seconds of this process. Memory is beyond
what was there before. The modularity of each side is computed by ours. So is its agreement with the
classes of `sbm` before label noise, which are drawn again from the seed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.dataset.blockmodel import class_sizes
from redditgnn.dataset.sbm import BlockModel
from redditgnn.graph.data import GraphData
from redditgnn.partition.adjacency import undirected
from redditgnn.partition.blocks import blocks_of, modularity
from redditgnn.partition.comparison import compare
from redditgnn.partition.leiden import Leiden
from redditgnn.partition.search import compile_kernels, find_communities
from redditgnn.record.provenance import package_version
from scripts.bench.cases.setup import Setup
from scripts.bench.options import add_setup, new_parser, setup_from
from scripts.bench.peers.communities import PEERS, Search, installed
from scripts.bench.rows.row import Row, with_times
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.timing.alternate import Side, alternate
from scripts.bench.timing.memory import memory_of

OURS = "ours leiden"
WORK = "communities"
PACKAGES = ("igraph", "networkit", "scikit-network", "numba")


@dataclass(frozen=True, kw_only=True)
class CommunityRow(Row):
    """A row whose seconds are CPU seconds. `versions` are those of the libraries that search."""

    modularity: float | None = None
    communities: int | None = None
    nmi_planted: float | None = None
    ami_planted: float | None = None
    versions: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("communities", __doc__)
    sides = (OURS, *PEERS)
    add_setup(parser, works=sides, default=sides)
    options = parser.parse_args(argv)
    setup = setup_from(options)
    torch.set_num_threads(1)
    sheet = Sheet(options.out or csv_path(setup.device_name, "communities"), setup.device)
    for row in measure(setup, options.only):
        sheet.write(row)
    return 0


def measure(setup: Setup, only: Sequence[str]) -> Iterator[Row]:
    """Yield a row for each side."""
    graph = setup.load_graph()
    compile_kernels(leiden(), weighted=graph.edge_weight is not None)
    searches: dict[str, Search] = {OURS: ours, **installed()}
    searches = {side: search for side, search in searches.items() if side in only}
    results: dict[str, np.ndarray] = {}

    def store(side: str) -> None:
        results[side] = searches[side](graph)

    extra = {side: memory_of(partial(store, side), setup.device) for side in searches}
    calls = [Side(side, partial(store, side), warms_up=False) for side in searches]
    timings = alternate(
        calls, repeats=setup.repeats, budget_s=setup.budget_s, clock=time.process_time
    )
    for side, timing in timings.items():
        memory = extra[side]
        row = CommunityRow(
            program="communities",
            dataset=setup.graph_name,
            nodes=graph.num_nodes,
            edges=graph.num_edges,
            work=WORK,
            side=side,
            reference=OURS,
            extra_mib=memory and memory.extra_mib,
            peak_mib=memory and memory.peak_mib,
            settings="one thread, CPU seconds",
            versions=json.dumps({name: package_version(name) for name in PACKAGES}),
            **scores(graph, results.get(side), planted_classes(setup)),
        )
        yield with_times(row, timing, timings.get(OURS))


def leiden() -> Leiden:
    """Return what `redditgnn communities` runs, with one start at resolution 1."""
    return Leiden(
        objective="modularity", resolution=1.0, weights="auto", iterations=2, restarts=1, seed=0
    )


def ours(graph: GraphData) -> np.ndarray:
    """Search as the command does."""
    return find_communities(leiden(), undirected(graph)).best.membership


def planted_classes(setup: Setup) -> np.ndarray | None:
    """Draw the classes from which `sbm` makes edges, None for other data.

    They are the first random numbers of `BlockModel.generate`.
    """
    if setup.dataset != "sbm":
        return None
    keys = compose_settings(setup.overrides).components["dataset"]
    model = BlockModel(**{key: keys[key] for key in BlockModel.__dataclass_fields__})
    sizes = class_sizes(model.num_nodes, model.num_classes, model.class_skew)
    classes = np.repeat(np.arange(model.num_classes), sizes)
    return np.random.default_rng(model.seed).permutation(classes)


def scores(
    graph: GraphData, membership: np.ndarray | None, planted: np.ndarray | None
) -> dict[str, Any]:
    """Return modularity, number of communities, and agreement with the planted classes."""
    if membership is None:
        return {}
    _, numbers = np.unique(membership, return_inverse=True)
    blocks = blocks_of(undirected(graph), numbers.astype(np.uint32))
    values = {"modularity": modularity(blocks), "communities": len(blocks.sizes)}
    if planted is None:
        return values
    measures = compare(numbers.astype(np.int32), planted)
    return {**values, "nmi_planted": measures.nmi, "ami_planted": measures.ami}


if __name__ == "__main__":
    sys.exit(main())
