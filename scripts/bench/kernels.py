"""Time layers over the full graph: ours, PyG's and, if it is installed, DGL's.

usage: python -m scripts.bench.kernels [--scale S] [--only WORK,...] [--device cuda] [...]

For each piece of work: memory and error against float64 of every side, forward and backward, on a
CPU each in a process of its own; then times, in turn in one process. PyG gets its plain edge_index.
Beside it stands the adjacency type that is fastest on a tenth of the nodes, if that is another.
Where PyG runs out of memory, the work is done once more at a smaller scale, until PyG completes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scripts.bench.cases.layer_works import WORKS, LayerWork
from scripts.bench.cases.setup import Setup
from scripts.bench.layer_bench import LayerBench
from scripts.bench.options import add_setup, new_parser, setup_from
from scripts.bench.peers.layers import PLAIN
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path

DEFAULT = ["gat 8x8", "gatv2 8x8", "sage 64", "gcn 64", "pna 64", "sage 256", "gcn 256"]
SMALLEST_SCALE = 0.01  # to which the graph shrinks if PyG runs out of memory


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = new_parser("kernels", __doc__)
    add_setup(parser, works=WORKS, default=DEFAULT)
    parser.add_argument(
        "--shrink", type=float, default=2, help="divides the scale if PyG lacks memory (2)"
    )
    options = parser.parse_args(argv)
    setup = setup_from(options)
    path = options.out or csv_path(setup.device_name, "kernels")
    sheet = Sheet(path, setup.device, setup.memory_limit_gib)
    for row in measure([WORKS[name] for name in options.only], setup, options.shrink):
        sheet.write(row)
    return 0


def measure(works: Sequence[LayerWork], setup: Setup, shrink: float) -> Iterator[Row]:
    """Yield the rows of all works, and on smaller graphs of those that PyG could not do."""
    while works:
        bench = LayerBench(setup, "kernels")
        without_memory = []
        for work in works:
            probes = bench.probes(work, bench.sides(work))
            yield from bench.rows(work, "forward_backward", probes)
            yield from bench.rows(work, "forward", bench.forward_probes(work, probes))
            if probes[PLAIN].status == "oom":
                without_memory.append(work)
        setup = replace(setup, scale=setup.scale / shrink)
        can_shrink = setup.dataset == "sbm" and setup.scale >= SMALLEST_SCALE
        works = without_memory if can_shrink else []


if __name__ == "__main__":
    sys.exit(main())
