"""Train under sampler=gas in four ways and draw how old and how wrong histories are; CSV and plot.

usage: python -m scripts.bench.staleness experiment=pubmed_gcn_gas [OVERRIDE ...] [--out CSV]

Parts from METIS and at random, each with histories that are only pushed to, and with a refresh by
exact states after every epoch. The columns are those of histories.csv of a run.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from redditgnn.config.compose import compose_settings
from redditgnn.run.execution import run
from scripts.bench.options import new_parser
from scripts.bench.rows.sheet import csv_path

VARIANTS = {
    "METIS": ("sampler.partition=metis", "sampler.refresh_every=0"),
    "random": ("sampler.partition=random", "sampler.refresh_every=0"),
    "METIS, refreshed": ("sampler.partition=metis", "sampler.refresh_every=1"),
    "random, refreshed": ("sampler.partition=random", "sampler.refresh_every=1"),
}
STYLES: dict[str, dict[str, Any]] = {  # a refreshed curve is thin, on top of the other
    "METIS": {"color": "#9ecae1", "linewidth": 3.5},
    "random": {"color": "#fdae6b", "linewidth": 3.5},
    "METIS, refreshed": {"color": "#08519c", "linestyle": "--", "linewidth": 1.2},
    "random, refreshed": {"color": "#a63603", "linestyle": "--", "linewidth": 1.2},
}
FACTS = ("dataset", "model", "seed", "device_name", "torch_version", "pyg_version", "commit")
PANELS = {
    "pulled_rows": "rows pulled in an epoch",
    "mean_age_epochs": "their mean age, epochs",
    "mean_relative_error": "mean ||history - exact|| / ||exact||",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Train, write the CSV and draw it; with --plot-only, draw."""
    parser = new_parser("staleness", __doc__)
    parser.add_argument("overrides", nargs="*", help="of redditgnn train")
    parser.add_argument("--plot-only", action="store_true", help="draw the CSV that is there")
    options = parser.parse_args(argv)
    path = options.out or csv_path("cpu", "staleness")
    if not options.plot_only:
        path.parent.mkdir(parents=True, exist_ok=True)
        train(options.overrides).to_csv(path, index=False, float_format="%.6g")
    picture = path.with_suffix(".png")
    draw(pd.read_csv(path), picture)
    print(picture)
    return 0


def train(overrides: Sequence[str]) -> pd.DataFrame:
    """Train all variants; return what they logged."""
    logs = []
    with tempfile.TemporaryDirectory() as folder:
        places = ("sampler.log_staleness=true", f"results_dir={folder}")
        for variant, of_variant in VARIANTS.items():
            row, path = run(compose_settings([*overrides, *of_variant, *places]))
            log = pd.read_csv(path.parent / "runs" / row.run_id / "histories.csv")
            facts = {name: getattr(row, name) for name in FACTS}
            shared = [o for o in overrides if not o.startswith("data_dir=")]  # a place, no setting
            settings = " ".join([*shared, *of_variant])
            logs.append(log.assign(variant=variant, settings=settings, **facts))
            accuracy = (row.test or {})["accuracy"]
            print(f"{variant}: test accuracy {accuracy:.4f}", flush=True)
    return pd.concat(logs)


def draw(rows: pd.DataFrame, path: Path) -> None:
    """Draw age and error over epochs, a column for each layer."""
    layers = sorted(rows.layer.unique())
    figure = Figure(figsize=(2.6 + 3.4 * len(layers), 8.4))
    axes = figure.subplots(len(PANELS), len(layers), sharex=True, sharey="row", squeeze=False)
    for line, (column, label) in zip(axes, PANELS.items(), strict=True):
        for axis, layer in zip(line, layers, strict=True):
            for variant, style in STYLES.items():
                curve = rows[(rows.variant == variant) & (rows.layer == layer)]
                axis.plot(curve.epoch, curve[column], label=variant, **style)
            axis.grid(which="both", linewidth=0.3)
        line[0].set_ylabel(label)
    for axis, layer in zip(axes[0], layers, strict=True):
        axis.set_ylim(bottom=0)
        axis.set_title(f"output of layer {layer + 1}", fontsize=9)
    for axis in axes[-1]:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("epoch")
    axes[1][0].legend(fontsize=8, title="parts", title_fontsize=8)
    first = rows.iloc[0]
    figure.suptitle(
        f"Histories of {first.model} on {first.dataset}, seed {first.seed}: what is pulled from "
        "them, and their error\nover all nodes at an epoch's end, before a refresh if any\n"
        f"{first.device_name}, torch {first.torch_version}, PyG {first.pyg_version}",
        fontsize=9,
    )
    figure.tight_layout(rect=(0, 0, 1, 0.99))
    figure.savefig(path, dpi=160)


if __name__ == "__main__":
    sys.exit(main())
