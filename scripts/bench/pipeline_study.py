"""Draw the runs of sweep=chunks: test accuracy and seconds by the number of chunks; plot and table.

usage: python -m scripts.bench.pipeline_study [--results-dir DIR] [--data-dir DIR] [--scores-only]

The runs are those of `make pipeline-study`. The table goes into docs/chunks.md. The graph is read
to count the edges inside of the chunks. Runs of sweep=stages add the seconds of a pipeline.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import redditgnn
from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import contiguous_parts, parts_of
from redditgnn.parts import Parts
from scripts import ROOT
from scripts.bench.options import new_parser
from scripts.bench.partitions import cut_share
from scripts.tables.documents import commits, distinct, insert, table_row

RESULTS, DOCUMENT = Path("results/pipeline"), Path("docs/chunks.md")
STAGES = "stages"  # the folder of the runs of a pipeline, below
PICTURE, EXPERIMENT = "chunks.png", "pubmed_gat"
BEGIN, END = "<!-- chunks: made by 'make pipeline-study' -->", "<!-- end of chunks -->"
WHOLE, MISSING = "whole graph", "not run"
WAYS = {  # sampler and sampler.partition of the runs
    ("cluster", "order"): "node order, edges between chunks dropped",
    ("cluster", "metis"): "METIS, edges between chunks dropped",
    ("gas", "metis"): "METIS, edges between chunks from histories",
}
STYLES: dict[str, dict[str, Any]] = {
    WAYS["cluster", "order"]: {"color": "#a63603", "marker": "o"},
    WAYS["cluster", "metis"]: {"color": "#6baed6", "marker": "s"},
    WAYS["gas", "metis"]: {"color": "#08519c", "marker": "^"},
}


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Draw the plot beside the runs, and write the table."""
    parser = new_parser("pipeline_study", __doc__)
    parser.add_argument("--results-dir", type=Path, default=root / RESULTS)
    parser.add_argument("--data-dir", default=os.environ.get("REDDITGNN_DATA", "data"))
    parser.add_argument(
        "--scores-only", action="store_true", help="no seconds: the machine had other work"
    )
    options = parser.parse_args(argv)
    runs = study_runs(options.results_dir)
    picture, with_seconds = options.out or options.results_dir / PICTURE, not options.scores_only
    draw(runs, picture, with_seconds=with_seconds)
    settings = compose_settings([f"experiment={EXPERIMENT}", f"data_dir={options.data_dir}"])
    lines = table(runs, Parts(settings).graph, with_seconds=with_seconds)
    if with_seconds and (options.results_dir / STAGES / "runs.csv").exists():
        lines.append(stages_row(runs, study_runs(options.results_dir / STAGES)))
    lines += ["", origin(runs)]
    document = root / DOCUMENT
    document.write_text(insert("\n".join(lines), document, BEGIN, END), encoding="utf-8")
    print(picture)
    return 0


def study_runs(results_dir: Path) -> pd.DataFrame:
    """Return the completed runs with the columns `way`, `chunks` and `accuracy` in percent."""
    runs = redditgnn.load_results(results_dir)
    runs = runs[runs.status == "completed"].drop_duplicates(["config_hash", "seed"])
    is_whole = runs.sampler == "full"
    ways = [WAYS.get(key) for key in zip(runs.sampler, runs["sampler.partition"], strict=True)]
    runs["way"] = pd.Series(ways, runs.index).mask(is_whole, WHOLE)
    runs = runs[runs.way.notna()]
    runs["chunks"] = runs["sampler.num_parts"].mask(is_whole, 1).astype(int)
    runs["accuracy"] = 100 * runs.test_accuracy
    return runs


def points(runs: pd.DataFrame, way: str) -> pd.DataFrame:
    """Return the runs of one way to make chunks, and those of the whole graph as one chunk."""
    return runs[runs.way.isin([WHOLE, way])]


def draw(runs: pd.DataFrame, path: Path, *, with_seconds: bool) -> None:
    """Draw a curve for each way to make chunks."""
    panels = {"accuracy": "test accuracy, %"}
    if with_seconds:
        panels["epoch_median_s"] = "seconds of an epoch"
    figure = Figure(figsize=(5.6 * len(panels), 4.4))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (column, label) in zip(axes, panels.items(), strict=True):
        _draw_curves(axis, runs, column)
        axis.set_ylabel(label)
    axes[0].legend(fontsize=8)
    first = runs.iloc[0]
    figure.suptitle(
        f"GAT on PubMed, {first.epochs} epochs of one step\n"
        f"mean and standard deviation over up to {runs.seed.nunique()} seeds\n"
        f"{first.device_name}, torch {first.torch_version}, PyG {first.pyg_version}",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=160)


def _draw_curves(axis: Axes, runs: pd.DataFrame, column: str) -> None:
    for way in WAYS.values():
        of_chunks = points(runs, way).groupby("chunks")[column]
        mean, spread = of_chunks.mean(), of_chunks.std().fillna(0)
        axis.errorbar(mean.index, mean, spread, label=way, capsize=3, **STYLES[way])
    axis.set_xscale("log", base=2)
    axis.set_xticks(sorted(runs.chunks.unique()))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel("chunks")
    axis.grid(linewidth=0.3)


def table(runs: pd.DataFrame, graph: GraphData, *, with_seconds: bool) -> list[str]:
    """Return the lines of a table in Markdown, a column for each number of chunks."""
    numbers = sorted(set(runs.chunks.tolist()))
    lines = [table_row("chunks", *numbers), table_row(*["---"] * (len(numbers) + 1))]
    cuts = {"in node order": contiguous_parts, "by METIS": parts_of}
    for name, cut in cuts.items():
        shares = (1 - cut_share(graph, cut(graph, number)) for number in numbers)
        lines.append(table_row(f"edges inside of chunks {name}", *(f"{s:.0%}" for s in shares)))
    for way in WAYS.values():
        by_chunks = points(runs, way).groupby("chunks")
        scores = by_chunks.accuracy.apply(_mean_and_spread)
        lines.append(table_row(way, *scores.reindex(numbers, fill_value=MISSING)))
        if with_seconds:
            seconds = by_chunks.epoch_median_s.median().map("{:.3g}".format)
            cells = seconds.reindex(numbers, fill_value=MISSING)
            lines.append(table_row("seconds of an epoch", *cells))
    return lines


def stages_row(runs: pd.DataFrame, of_stages: pd.DataFrame) -> str:
    """Return the line of the table with the seconds of a pipeline, which has the same scores."""
    seconds = of_stages.groupby("chunks").epoch_median_s.median().map("{:.3g}".format)
    cells = seconds.reindex(sorted(set(runs.chunks.tolist())), fill_value=MISSING)
    return table_row("the last in a pipeline of two, seconds of an epoch", *cells)


def origin(runs: pd.DataFrame) -> str:
    """Say how many runs there were, and where."""
    counts = sorted(set(runs.groupby(["way", "chunks"]).seed.nunique().tolist()))
    return (
        f"Test accuracy in percent; {' or '.join(map(str, counts))} seeds, "
        f"{runs.epochs.max()} epochs; "
        f"{distinct(runs.device_name)}, torch {distinct(runs.torch_version)}, "
        f"PyG {distinct(runs.pyg_version)}; code: {commits(runs)}."
    )


def _mean_and_spread(accuracy: pd.Series) -> str:
    if len(accuracy) == 1:
        return f"{accuracy.mean():.1f}"
    return f"{accuracy.mean():.1f} ± {accuracy.std():.1f}"


if __name__ == "__main__":
    sys.exit(main())
