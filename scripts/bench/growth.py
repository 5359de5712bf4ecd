"""Measure how the cost of training grows with the graph, up to four times Reddit; CSV and plot.

usage: python -m scripts.bench.growth [--scales S,...] [--only WORK,...] [--limit-gib G] [...]

dataset=sbm is generated, cut by METIS and by Leiden, and trained on in several ways. Batches have
the same settings at every size. Each case is a process of its own, whose private memory is limited.
A side that ran out of memory or of time is not tried on larger graphs. Cases that the CSV has are
not measured again: a run that was stopped resumes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from scripts.bench.growth_case import PARTITIONS, TRAININGS, Case, Cost, Side
from scripts.bench.options import names_of, new_parser, numbers
from scripts.bench.peers.pyg_training import pyg_can_sample
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.timing.processes import run_module

SCALES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
WORKS = ("graph", *PARTITIONS, *TRAININGS)
BESIDE_PYG = ("sage full", "gat full", "sage neighbor")
SLOPE_SPAN = 20  # slopes are of graphs with at least this share of the edges of the largest one
COLUMNS = {
    "epoch_s": "seconds of an epoch",
    "prepare_s": "seconds of preparation",
    "peak_mib": "peak of resident memory, MiB",
}


@dataclass(frozen=True, kw_only=True)
class GrowthRow(Row):
    """A row whose `median_s` is of a batch, and whose `peak_mib` is of the whole case.

    `epoch_s`: that of a batch times their number. `prepare_s`: generating and storing the graph,
    its parts, or building the sampler, which for GraphSAINT is counting. Peaks are resident memory,
    mapped files included.
    """

    scale: float
    epoch_batches: int | None = None
    epoch_s: float | None = None
    prepare_s: float | None = None
    prepare_mib: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say, and draw all that the CSV holds."""
    parser = new_parser("growth", __doc__)
    parser.add_argument("--scales", type=numbers, default=SCALES, help="of sbm (%(default)s)")
    parser.add_argument("--only", type=names_of(WORKS), default=[*WORKS], metavar="WORK,...")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--limit-gib", type=float, default=8.0, help="private memory of a case (8)")
    parser.add_argument("--timeout-s", type=float, default=900, help="of a case (900)")
    parser.add_argument("--batches", type=int, default=5, help="most of an epoch (5)")
    parser.add_argument("--rounds", type=int, default=3, help="epochs that are timed (3)")
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    path = options.out or csv_path("cpu", "growth")
    if not options.plot_only:
        sheet = Sheet(path, torch.device("cpu"), options.limit_gib)
        sizes = {"batches": options.batches, "rounds": options.rounds}
        case = {"data_dir": str(options.data_dir), "limit_gib": options.limit_gib, **sizes}
        for row in measure(options.only, options.scales, case, options.timeout_s, path):
            sheet.write(row)
    rows = measured(path)
    draw(rows, path.with_suffix(".png"))
    print(slope_table(rows), path.with_suffix(".png"), sep="\n")
    return 0


def measure(
    works: Sequence[str],
    scales: Sequence[float],
    settings: dict[str, Any],
    timeout_s: float,
    path: Path,
) -> Iterator[GrowthRow]:
    """Yield the rows that the CSV at `path` lacks, from small graphs to large ones."""
    rows = measured(path)
    statuses = {(row.work, row.side, row.scale): row.status for row in rows.itertuples()}
    out = {key[:2] for key, status in statuses.items() if status in ("oom", "timeout")}
    pairs = [(work, side) for work in works for side in sides(work)]
    for scale in sorted(scales):
        for work, side in pairs:
            if (work, side, scale) in statuses or (work, side) in out:
                continue
            partition = next(
                (p for p in PARTITIONS if statuses.get((p, "ours", scale)) == "completed"), "random"
            )
            case = Case(work=work, side=side, scale=scale, partition=partition, **settings)
            row = row_of(case, timeout_s)
            statuses[work, side, scale] = row.status
            out |= {(work, side)} if row.status in ("oom", "timeout") else set()
            yield row


def sides(work: str) -> tuple[Side, ...]:
    """Return who does the work."""
    is_shared = work in BESIDE_PYG and (work.endswith("full") or pyg_can_sample())
    return ("ours", "pyg") if is_shared else ("ours",)


def row_of(case: Case, timeout_s: float) -> GrowthRow:
    """Measure a case in a new process; return whatever happens to that one."""
    answer = run_module(
        "scripts.bench.growth_case", [json.dumps(asdict(case))], timeout_s=timeout_s
    )
    cost = Cost(**answer)
    peaks = [peak for peak in (cost.prepare_mib, cost.train_mib) if peak is not None]
    row = GrowthRow(
        program="growth",
        dataset=f"sbm {case.scale:g}",
        nodes=cost.nodes,
        edges=cost.edges,
        work=case.work,
        side=case.side,
        reference="",
        status=cost.status,
        note=cost.note or (f"prepared in {cost.prepare_s:.3g} s" if cost.prepare_s else ""),
        peak_mib=max(peaks, default=None),
        settings=" ".join(case.overrides),
        scale=case.scale,
        epoch_batches=cost.epoch_batches,
        prepare_s=cost.prepare_s,
        prepare_mib=cost.prepare_mib,
    )
    if cost.batch_s is None or cost.epoch_batches is None:
        return row
    median, low, high = cost.batch_s
    epoch_s = median * cost.epoch_batches
    return replace(row, median_s=median, low_s=low, high_s=high, epoch_s=epoch_s, n=case.rounds)


def measured(path: Path) -> pd.DataFrame:
    """Return the latest row of each case in the CSV."""
    if not path.exists():
        return pd.DataFrame(columns=["work", "side", "scale", "status", "edges", *COLUMNS])
    return pd.read_csv(path).drop_duplicates(["work", "side", "scale"], keep="last")


def slope(rows: pd.DataFrame, column: str) -> float | None:
    """Return the exponent of the edges that `column` grows with, None for fewer than three points.

    Small graphs do not count: what costs the same at every size hides how the rest grows.
    """
    points = rows[(rows.status == "completed") & rows[column].notna()]
    points = points[points.edges * SLOPE_SPAN >= points.edges.max()]
    if len(points) < 3:
        return None
    return float(np.polyfit(np.log(points.edges), np.log(points[column].astype(float)), 1)[0])


def slope_table(rows: pd.DataFrame) -> str:
    """Return the slopes of all works as a table in Markdown."""
    lines = [f"| work | side | {' | '.join(COLUMNS.values())} |", "| --- " * 5 + "|"]
    for (work, side), points in rows.groupby(["work", "side"], sort=False):
        slopes = [slope(points, column) for column in COLUMNS]
        cells = ["" if value is None else f"{value:.2f}" for value in slopes]
        lines.append(f"| {work} | {side} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw seconds and memory against edges on logarithmic axes, with slopes in the legends."""
    figure = Figure(figsize=(5.2 * len(COLUMNS), 4.6))
    axes = figure.subplots(1, len(COLUMNS))
    for axis, (column, title) in zip(axes, COLUMNS.items(), strict=True):
        for (work, side), points in rows.groupby(["work", "side"], sort=False):
            known = points[(points.status == "completed") & points[column].notna()]
            if len(known):
                _curve(axis, f"{work}, {side}", known.sort_values("edges"), column)
        axis.set(xscale="log", yscale="log", title=title, xlabel="edges")
        for ticks in (axis.xaxis, axis.yaxis):
            ticks.set_minor_formatter(NullFormatter())
        axis.grid(which="both", linewidth=0.3)
        if axis.lines:
            axis.legend(fontsize=7)
    if len(rows):
        latest = rows.iloc[-1]
        facts = f"{latest.device_name}, {latest.num_threads} threads, torch {latest.torch_version}"
        figure.suptitle(f"{facts}; in brackets the slope", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=160)


def _curve(axis: Any, label: str, points: pd.DataFrame, column: str) -> None:
    exponent = slope(points, column)
    label += "" if exponent is None else f" ({exponent:.2f})"
    style = "s--" if ", pyg" in label else "o-"
    axis.plot(points.edges, points[column].astype(float), style, label=label, markersize=4)


if __name__ == "__main__":
    sys.exit(main())
