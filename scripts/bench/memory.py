"""Measure the memory of a training step against the size of the graph; CSV and plot.

usage: python -m scripts.bench.memory [--scales S,...] [--only SIDE,...] [--device cuda] [...]

Full-batch, Cluster-GCN and GNNAutoScale with histories on the device, in host memory and on disk,
on dataset=sbm. Parts are of constant size: a larger graph has more of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from scripts.bench.cases.growing_graphs import GRAPHS, PART_NODES, graph_overrides, num_parts
from scripts.bench.cases.setup import Setup
from scripts.bench.options import add_setup, names_of, new_parser, numbers, setup_from
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, csv_path
from scripts.bench.step_memory import measure_in_process

SCALES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3]
MODELS = {
    "gcn": ("model=gcn", "model.num_layers=2", "model.hidden_channels=256"),
    "gcn2": ("model=gcn2", "model.num_layers=4", "model.hidden_channels=256"),
}
SIDES = {
    "full": ("sampler=full",),
    "cluster": ("sampler=cluster",),
    "gas": ("sampler=gas",),
    "gas, histories in host memory": ("sampler=gas", "sampler.history_device=cpu"),
    "gas, histories on disk": ("sampler=gas", "sampler.history_device=disk"),
}
MARKS = ("o-", "s--", "^-", "v:", "d-.")


@dataclass(frozen=True, kw_only=True)
class MemoryRow(Row):
    """A row whose `extra_mib` is the peak of a step above graph, weights and histories.

    `batch_nodes` include the halo.
    """

    graph: str
    scale: float
    num_parts: int
    batch_nodes: int
    batch_edges: int
    halo: int
    histories_mib: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say, and draw all that the CSV holds."""
    parser = new_parser("memory", __doc__)
    add_setup(parser, works=SIDES, default=SIDES)
    for name, choices in (("models", MODELS), ("graphs", GRAPHS)):
        parser.add_argument(
            f"--{name}", type=names_of(choices), default=[*choices], help="(%(default)s)"
        )
    parser.add_argument(
        "--scales", type=numbers, default=SCALES, help="instead of --scale (%(default)s)"
    )
    parser.add_argument("--timeout-s", type=float, default=1800, help="of a point (1800)")
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    setup = setup_from(options)
    path = options.out or csv_path(setup.device_name, "memory")
    if not options.plot_only:
        sheet = Sheet(path, setup.device)
        works = [*product(options.graphs, options.models, options.only)]
        for row in measure(works, options.scales, setup, options.timeout_s):
            sheet.write(row)
    draw(pd.read_csv(path), path.with_suffix(".png"))
    print(path.with_suffix(".png"))
    return 0


def measure(
    works: Sequence[tuple[str, str, str]], scales: Sequence[float], setup: Setup, timeout_s: float
) -> Iterator[MemoryRow]:
    """Yield the rows of (graph, model, side) from small to large.

    A work that ran out of memory or of time is not tried on larger graphs.
    """
    out: set[tuple[str, str, str]] = set()
    for scale in sorted(scales):
        for work in works:
            if work not in out:
                row = measure_point(*work, scale, setup, timeout_s)
                yield row
                out |= {work} if row.status in ("oom", "timeout") else set()


def measure_point(
    graph: str, model: str, side: str, scale: float, setup: Setup, timeout_s: float
) -> MemoryRow:
    """Measure one side on one graph."""
    overrides = [*graph_overrides(graph, scale), *MODELS[model], *SIDES[side]]
    parts = 1 if side == "full" else num_parts(scale)
    if side != "full":
        overrides += [f"sampler.num_parts={parts}", "sampler.batch_size=1"]
    memory = measure_in_process(overrides, setup.data_dir, setup.device_name, timeout_s)
    return MemoryRow(
        program="memory",
        dataset=f"{graph} {scale:g}",
        work=model,
        side=side,
        reference="",
        settings=" ".join(overrides),
        graph=graph,
        scale=scale,
        num_parts=parts,
        n=1,
        **asdict(memory),
    )


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the step's memory against nodes, log-log, a panel for each model and graph."""
    rows = rows[rows.status == "completed"].drop_duplicates(
        ["graph", "work", "side", "scale"], keep="last"
    )
    graphs = [graph for graph in GRAPHS if (rows.graph == graph).any()]
    models = list(dict.fromkeys(rows.work))
    figure = Figure(figsize=(5.4 * len(graphs), 3.7 * len(models) + 0.8))
    axes = figure.subplots(len(models), len(graphs), sharex=True, sharey=True, squeeze=False)
    for (model, graph), axis in zip(product(models, graphs), axes.flat, strict=True):
        _draw_panel(axis, rows[(rows.work == model) & (rows.graph == graph)])
        axis.set_title(f"{model}: {GRAPHS[graph]}", fontsize=9)
    for axis in axes[:, 0]:
        axis.set_ylabel("peak memory of a step, MiB")
    for axis in axes[-1]:
        axis.set_xlabel("nodes of the graph")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncol=3, fontsize=8)
    latest = rows.iloc[-1]
    figure.suptitle(
        "Memory of one training step beyond graph, weights and histories, as the graph grows\n"
        f"parts of {PART_NODES} nodes, one a step; {latest.device_name}, torch "
        f"{latest.torch_version}, PyG {latest.pyg_version}",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0.1 / len(models) + 0.02, 1, 1))
    figure.savefig(path, dpi=160)


def _draw_panel(axis: Any, panel: pd.DataFrame) -> None:
    for side, mark in zip(SIDES, MARKS, strict=True):
        points = panel[panel.side == side].sort_values("nodes")
        if len(points):
            axis.plot(points.nodes, points.extra_mib, mark, label=side, markersize=5)
    histories = panel[panel.side == "gas"].sort_values("nodes")
    if len(histories):
        label = "the histories themselves"
        axis.plot(histories.nodes, histories.histories_mib, ":", color="grey", label=label)
    axis.set(xscale="log", yscale="log")
    axis.set_xticks(sorted(panel.nodes.unique()), minor=False)
    axis.set_xticks([], minor=True)
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    for ticks in (axis.xaxis, axis.yaxis):
        ticks.set_major_formatter("{x:,g}")
    axis.tick_params(labelsize=8)
    axis.grid(which="both", linewidth=0.3)


if __name__ == "__main__":
    sys.exit(main())
