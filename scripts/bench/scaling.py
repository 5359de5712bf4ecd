"""Time full-graph layers against the number of edges: ours, PyG's and DGL's; CSV and plot.

usage: python -m scripts.bench.scaling [--scales S,...] [--only WORK,...] [--device cuda] [...]

Forward and backward on dataset=sbm of growing scale. A side that ran out of memory, or took longer
than --patience-s once, is not tried on larger graphs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from scripts.bench.cases.layer_works import WORKS, LayerWork, Phase
from scripts.bench.cases.setup import Setup
from scripts.bench.layer_bench import LayerBench
from scripts.bench.options import add_setup, new_parser, numbers, setup_from
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path

DEFAULT = ["gat 8x8", "gatv2 8x8", "sage 64"]
SCALES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
PHASE: Phase = "forward_backward"
MARKS = {"ours": "o-", "pyg edge_index": "s--", "dgl": "^:"}
OTHER_MARK = "d-."


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say, and draw all that the CSV holds."""
    parser = new_parser("scaling", __doc__)
    add_setup(parser, works=WORKS, default=DEFAULT)
    parser.add_argument(
        "--scales", type=numbers, default=SCALES, help="of sbm, instead of --scale (%(default)s)"
    )
    parser.add_argument(
        "--patience-s", type=float, default=60, help="longest call on the way to larger graphs (60)"
    )
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    setup = setup_from(options)
    path = options.out or csv_path(setup.device_name, "scaling")
    if not options.plot_only:
        sheet = Sheet(path, setup.device, setup.memory_limit_gib)
        works = [WORKS[name] for name in options.only]
        for row in measure(works, options.scales, setup, options.patience_s):
            sheet.write(row)
    for suffix in (".svg", ".png"):
        draw(pd.read_csv(path), path.with_suffix(suffix))
        print(path.with_suffix(suffix))
    return 0


def measure(
    works: Sequence[LayerWork], scales: Sequence[float], setup: Setup, patience_s: float
) -> Iterator[Row]:
    """Yield rows from small to large graphs, of the sides that are still in."""
    out: set[tuple[str, str]] = set()
    for scale in sorted(scales):
        bench = LayerBench(replace(setup, scale=scale), "scaling")
        for work in works:
            sides = [side for side in bench.sides(work) if (work.name, side) not in out]
            probes = bench.probes(work, sides)
            yield from bench.rows(work, PHASE, probes)
            out |= {
                (work.name, side)
                for side, probe in probes.items()
                if probe.seconds is None or probe.seconds > patience_s
            }


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw seconds against edges on logarithmic axes, a panel for each layer."""
    rows = rows[rows.work.str.endswith(PHASE)]
    works = list(dict.fromkeys(rows.work))
    figure = Figure(figsize=(4.2 * len(works), 3.9))
    axes = figure.subplots(1, len(works), sharey=True, squeeze=False)[0]
    for axis, work in zip(axes, works, strict=True):
        panel = rows[rows.work == work].drop_duplicates(["side", "dataset"], keep="last")
        for side, points in panel.sort_values("edges").groupby("side"):
            _curve(axis, str(side), points)
        axis.set(xscale="log", yscale="log", title=work.removesuffix(f" {PHASE}"))
        axis.set_xlabel("edges")
        axis.minorticks_on()
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_minor_formatter(NullFormatter())  # a label for each power of ten
        axis.grid(which="both", linewidth=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("forward + backward, s")
    latest = rows.iloc[-1]
    figure.suptitle(
        f"{latest.device_name}, {latest.num_threads} threads\n"
        f"torch {latest.torch_version}, PyG {latest.pyg_version}\n"
        "medians, bars from 20 to 80 %; x: out of memory",
        fontsize=8,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=200)


def _curve(axis: Any, side: str, points: pd.DataFrame) -> None:
    completed = points[points.status == "completed"]
    bars = [completed.median_s - completed.low_s, completed.high_s - completed.median_s]
    mark = MARKS.get(side, OTHER_MARK)
    lines = axis.errorbar(
        completed.edges,
        completed.median_s,
        yerr=bars,
        fmt=mark,
        label=side,
        markersize=4,
        capsize=2,
    )
    failed = points[points.status == "oom"]
    if len(completed) and len(failed):
        height = [completed.median_s.iloc[-1]] * len(failed)
        axis.plot(failed.edges, height, "x", color=lines[0].get_color(), markersize=9)


if __name__ == "__main__":
    sys.exit(main())
