"""Measure the memory of a training step against the size of the graph; CSV and plot.

usage: python -m scripts.bench.memory [--scales S,...] [--only SIDE,...] [--device cuda] [...]

Full-batch, Cluster-GCN and GNNAutoScale with histories on the device, in host memory and on disk,
on dataset=sbm. Parts are of constant size, so that there are more of them in a larger graph. Two
families of graphs: `sbm`, of Reddit's density, whose edges between classes lead anywhere; and
`communities`, where classes are of constant size and 1 % of the edges leave them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from scripts.bench.rows.row import Row, Sheet, add_options, check_only, out_path
from scripts.bench.step_memory import measure

SCALES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3]
PART_NODES = 1165  # of the parts of Reddit that GNNAutoScale trains on: 232,965 nodes in 200
REDDIT_NODES = 232_965
COMMUNITY_NODES = 500
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
GRAPHS = ("sbm", "communities")
MARKS = ("o-", "s--", "^-", "v:", "d-.")
TITLES = {
    "sbm": "sbm, a quarter of the edges lead anywhere",
    "communities": "communities of 500 nodes, 1 % of the edges between",
}


@dataclass(frozen=True, kw_only=True)
class Point(Row):
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, works=[*SIDES], chosen=[*SIDES])
    for name, known, kind in (
        ("scales", SCALES, float),
        ("models", [*MODELS], str),
        ("graphs", [*GRAPHS], str),
    ):
        parser.add_argument(
            f"--{name}",
            type=lambda text, kind=kind: [kind(word) for word in text.split(",")],
            default=known,
            help="(%(default)s)",
        )
    parser.add_argument("--timeout-s", type=float, default=1800, help="of a point (1800)")
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    check_only(parser, options.only, [*SIDES])
    path = out_path(options, "memory")
    if not options.plot_only:
        measure_all(options, Sheet(path, torch.device(options.device), None))
    draw(pd.read_csv(path), path.with_suffix(".png"))
    print(path.with_suffix(".png"))
    return 0


def measure_all(options: argparse.Namespace, sheet: Sheet) -> None:
    """Go from small to large; a side that ran out of memory is not tried on larger graphs."""
    out: set[tuple[str, str, str]] = set()
    for scale in sorted(options.scales):
        for graph in options.graphs:
            for model in options.models:
                for side in options.only:
                    key = (graph, model, side)
                    if key not in out:
                        point = measured_point(options, graph, scale, model, side)
                        sheet.write(point)
                        out |= {key} if point.status in ("oom", "timeout") else set()


def measured_point(
    options: argparse.Namespace, graph: str, scale: float, model: str, side: str
) -> Point:
    """Measure one side on one graph."""
    num_nodes = round(REDDIT_NODES * scale)
    num_parts = max(1, round(num_nodes / PART_NODES))
    overrides = [*graph_overrides(graph, scale), *MODELS[model], *SIDES[side]]
    if side != "full":
        overrides += [f"sampler.num_parts={num_parts}", "sampler.batch_size=1"]
    found = asdict(measure(overrides, str(options.data_dir), options.device, options.timeout_s))
    return Point(
        program="memory",
        dataset=f"{graph} {scale:g}",
        work=model,
        side=side,
        reference="",
        settings=" ".join(overrides),
        graph=graph,
        scale=scale,
        num_parts=1 if side == "full" else num_parts,
        n=1,
        **found,
    )


def graph_overrides(graph: str, scale: float) -> list[str]:
    """Say which graph: `sbm` as it is, or with as many communities as its nodes have room for."""
    chosen = ["dataset=sbm", f"dataset.scale={scale:g}"]
    if graph == "sbm":
        return chosen
    classes = max(2, round(REDDIT_NODES * scale / COMMUNITY_NODES))
    return [
        *chosen,
        "dataset.name=communities",
        f"dataset.num_classes={classes}",
        "dataset.class_skew=0.0",
        "dataset.homophily=0.99",
    ]


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw the step's memory against nodes on logarithmic axes, a panel a model and graph."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    rows = rows[rows.status == "completed"].drop_duplicates(
        ["graph", "work", "side", "scale"], keep="last"
    )
    graphs = [graph for graph in GRAPHS if (rows.graph == graph).any()]
    models = list(dict.fromkeys(rows.work))
    figure, axes = plt.subplots(
        len(models),
        len(graphs),
        figsize=(5.4 * len(graphs), 3.7 * len(models) + 0.8),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for line, model in zip(axes, models, strict=True):
        for axis, graph in zip(line, graphs, strict=True):
            panel = rows[(rows.work == model) & (rows.graph == graph)]
            _panel(axis, panel)
            axis.set_title(f"{model}: {TITLES[graph]}", fontsize=9)
    for line in axes:
        line[0].set_ylabel("peak memory of a step, MiB")
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
    plt.close(figure)


def _panel(axis: Any, panel: pd.DataFrame) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for (side, _), mark in zip(SIDES.items(), MARKS, strict=True):
        points = panel[panel.side == side].sort_values("nodes")
        if len(points):
            axis.plot(points.nodes, points.extra_mib, mark, label=side, markersize=5)
    held = panel[panel.side == "gas"].sort_values("nodes")
    if len(held):
        axis.plot(
            held.nodes, held.histories_mib, ":", color="grey", label="the histories themselves"
        )
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
