"""Time full-graph layers against the number of edges: ours, PyG's and DGL's; CSV and plot.

usage: python -m scripts.bench.scaling [--scales S,...] [--only WORK,...] [--device cuda] [...]

Forward and backward on dataset=sbm of growing scale. A side that ran out of memory, or took longer
than --patience-s once, is not tried on larger graphs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch

from scripts.bench.kernels import WORKS, Bench
from scripts.bench.rows.row import Sheet, add_options, check_only, out_path

DEFAULT = ["gat 8x8", "gatv2 8x8", "sage 64"]
SCALES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
PHASE = "forward_backward"
MARKS = {"ours": "o-", "pyg edge_index": "s--", "dgl": "^:"}
OTHER_MARK = "d-."


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say, and draw all that the CSV holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, works=[*WORKS], chosen=DEFAULT)
    parser.add_argument(
        "--scales",
        type=lambda text: [float(scale) for scale in text.split(",")],
        default=SCALES,
        help="of sbm, instead of --scale (%(default)s)",
    )
    parser.add_argument(
        "--patience-s", type=float, default=60, help="longest call on the way to larger graphs (60)"
    )
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    check_only(parser, options.only, [*WORKS])
    path = out_path(options, "scaling")
    if not options.plot_only:
        measure(options, path)
    for suffix in (".svg", ".png"):
        draw(pd.read_csv(path), path.with_suffix(suffix))
        print(path.with_suffix(suffix))
    return 0


def measure(options: argparse.Namespace, path: Path) -> None:
    """Go from small to large graphs with the sides that are still in."""
    device = torch.device(options.device)
    sheet = Sheet(path, device, options.memory_limit_gib)
    out: set[tuple[str, str]] = set()
    for scale in sorted(options.scales):
        bench = Bench(options, scale, sheet, "scaling")
        for name in options.only:
            sides = [side for side in bench.sides(WORKS[name]) if (name, side) not in out]
            found = bench.measure(WORKS[name], sides, forward_too=False)
            for side, it in found.items():
                if it.seconds is None or it.seconds > options.patience_s:
                    out.add((name, side))


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw seconds against edges on logarithmic axes, a panel for each layer."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    rows = rows[rows.work.str.endswith(PHASE)]
    works = list(dict.fromkeys(rows.work))
    figure, axes = plt.subplots(
        1, len(works), figsize=(4.2 * len(works), 3.9), sharey=True, squeeze=False
    )
    for axis, work in zip(axes[0], works, strict=True):
        panel = rows[rows.work == work].drop_duplicates(["side", "dataset"], keep="last")
        for side, points in panel.sort_values("edges").groupby("side"):
            _curve(axis, str(side), points)
        axis.set(xscale="log", yscale="log", title=work.removesuffix(f" {PHASE}"))
        axis.set_xlabel("edges")
        axis.minorticks_on()
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_minor_formatter(NullFormatter())  # a label for each power of ten
        axis.grid(which="both", linewidth=0.3)
        axis.legend(fontsize=8)
    axes[0][0].set_ylabel("forward + backward, s")
    latest = rows.iloc[-1]
    figure.suptitle(
        f"{latest.device_name}, {latest.num_threads} threads\n"
        f"torch {latest.torch_version}, PyG {latest.pyg_version}\n"
        "medians, bars from 20 to 80 %; x: out of memory",
        fontsize=8,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=200)
    plt.close(figure)


def _curve(axis: object, side: str, points: pd.DataFrame) -> None:
    done = points[points.status == "completed"]
    bars = [done.median_s - done.low_s, done.high_s - done.median_s]
    mark = MARKS.get(side, OTHER_MARK)
    lines = axis.errorbar(
        done.edges, done.median_s, yerr=bars, fmt=mark, label=side, markersize=4, capsize=2
    )
    failed = points[points.status == "oom"]
    if len(done) and len(failed):
        height = [done.median_s.iloc[-1]] * len(failed)
        axis.plot(failed.edges, height, "x", color=lines[0].get_color(), markersize=9)


if __name__ == "__main__":
    sys.exit(main())
