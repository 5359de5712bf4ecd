"""Draw README.md's chart from the rows of results/bench/*.csv: ours beside PyG.

usage: python -m scripts.docs.chart (make chart)

A line of the chart is one piece of work of `LINES`. Its bars are our median and that of PyG's
fastest side, on one CPU, which the line names: lines do not compare with each other. Lines without
a side of PyG's are left out, except for those of `ALONE`. Rows are those of the benchmarks, and of
repeated measurements the latest counts.

The first lines are of Reddit's full size and belong into results/bench/cpu-full.csv, which has the
columns of the other files. A side that did not fit has the status `oom`. Its `extra_mib` may then
be what it would need, and `note` says how that was reckoned.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scripts import ROOT

BENCH = Path("results") / "bench"
CHART = BENCH / "chart.svg"
LINES = {  # (dataset, work): what the reader sees
    ("sbm 1", "gat full epoch"): "GAT on the whole graph, an epoch",
    ("sbm 1", "sage neighbor epoch"): "GraphSAGE with neighbours, an epoch",
    ("sbm 1", "gat saint_rw run"): "GAT under GraphSAINT, 2 epochs with exact scores",
    ("sbm 0.1", "gat 8x8 forward_backward"): "GAT layer, forward and backward",
    ("sbm 0.05", "gatv2 8x8 forward_backward"): "GATv2 layer, forward and backward",
    ("sbm 0.2", "sage epoch"): "GraphSAGE, eight sampled batches",
    ("sbm 0.2", "gat epoch"): "GAT, eight sampled batches",
    ("sbm 0.1", "exact evaluation"): "Exact evaluation of GraphSAGE",
}
ALONE = {("sbm 1", "sage neighbor epoch"), ("sbm 1", "gat saint_rw run")}
OURS, PYG = "#e8590c", "#8d99a6"
INK, PAPER = "#24292f", "#ffffff"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "svg.hashsalt": "chart",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One piece of work: its label, our row, and PyG's fastest one, None if it has no such work."""

    label: str
    ours: pd.Series
    pyg: pd.Series | None


def main(root: Path = ROOT) -> int:
    """Draw the chart; return the exit code."""
    lines = read_lines(root / BENCH)
    if not lines:
        print(f"chart: {BENCH} has no rows of any line", file=sys.stderr)
        return 1
    with mpl.rc_context(STYLE):
        figure = draw(lines)
        figure.savefig(root / CHART, metadata={"Date": None}, bbox_inches="tight", pad_inches=0.15)
        plt.close(figure)
    print(f"{CHART} is drawn")
    return 0


def read_lines(folder: Path) -> list[Line]:
    """Return the lines in the order of `LINES`, all with the first one's number of threads."""
    rows = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))])
    rows = rows[(rows.device == "cpu") & rows.side.notna()]
    rows = rows.sort_values("measured_at", kind="stable")
    latest = rows.drop_duplicates(["dataset", "work", "side", "device_name"], keep="last")
    lines: list[Line] = []
    for (dataset, work), label in LINES.items():
        found = latest[(latest.dataset == dataset) & (latest.work == work)]
        if lines:
            found = found[found.num_threads == lines[0].ours.num_threads]
        lines += _line(label, found, needs_pyg=(dataset, work) not in ALONE)
    return lines


def _line(label: str, rows: pd.DataFrame, needs_pyg: bool) -> list[Line]:
    """Return the line of some work on the CPU that was measured last, none if a side is missing."""
    peers = rows[rows.side.str.startswith("pyg")].sort_values("median_s", na_position="last")
    for _, ours in rows[rows.side == "ours"][::-1].iterrows():
        pyg = peers[peers.device_name == ours.device_name]
        if len(pyg) or not needs_pyg:
            label = f"{label}\n{ours.edges / 1e6:.1f} million edges, {_cpu(ours)}"
            return [Line(label=label, ours=ours, pyg=pyg.iloc[0] if len(pyg) else None)]
    return []


def _cpu(row: pd.Series) -> str:
    return str(row.device_name).replace("(R)", "").removesuffix(" Processor")


def draw(lines: list[Line]) -> Figure:
    """Return the figure: seconds on the left, memory on the right."""
    figure, (seconds, memory) = plt.subplots(
        1, 2, sharey=True, figsize=(9.6, 1.3 + 0.75 * len(lines)), layout="constrained"
    )
    figure.suptitle(title(lines), x=0.01, ha="left", fontsize=12, fontweight="bold")
    bars(seconds, lines, lambda row: row.median_s, lambda value: f"{two_digits(value)} s")
    bars(memory, lines, lambda row: row.extra_mib / 1024, memory_text)
    seconds.set_xlabel("seconds, logarithmic")
    memory.set_xlabel("memory beyond the inputs, GiB, logarithmic")
    seconds.set_yticks(range(len(lines)), [line.label for line in lines])
    seconds.invert_yaxis()
    handles = [Patch(color=OURS, label="redditgnn"), Patch(color=PYG, label="PyG")]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
    figure.supxlabel(provenance(lines), x=0.01, ha="left", fontsize=8)
    return figure


def bars(
    axes: Axes,
    lines: list[Line],
    measure: Callable[[pd.Series], float],
    text: Callable[[float], str],
) -> None:
    """Draw two bars a line, ours above, with their values and PyG's as a multiple of ours."""
    values = [
        (measure(line.ours), float("nan") if line.pyg is None else measure(line.pyg))
        for line in lines
    ]
    known = [value for pair in values for value in pair if pd.notna(value)]
    axes.set_xscale("log")
    axes.set_xlim(min(known) / 3, max(known) * 9)
    for number, (line, (ours, pyg)) in enumerate(zip(lines, values, strict=True)):
        _bar(axes, number - 0.19, ours, _words(ours, False, text), color=OURS)
        if line.pyg is None:
            continue
        failed = line.pyg.status != "completed"
        times = "" if failed or pd.isna(pyg / ours) else f"  (×{pyg / ours:.0f})"
        hatch = {"facecolor": PAPER, "hatch": "////"} if failed else {}
        _bar(axes, number + 0.19, pyg, _words(pyg, failed, text) + times, color=PYG, **hatch)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _bar(axes: Axes, height: float, value: float, words: str, color: str, **look: Any) -> None:
    """Draw a bar with `words` at its end; without a value the words alone."""
    start = axes.get_xlim()[0]
    if pd.notna(value):
        axes.barh(height, value, 0.34, **{"facecolor": color, "edgecolor": color, **look})
    axes.text((start if pd.isna(value) else value) * 1.15, height, words, va="center", fontsize=9)


def _words(value: float, failed: bool, text: Callable[[float], str]) -> str:
    if failed:
        return "out of memory" if pd.isna(value) else f"would need {text(value)}"
    return "not measured" if pd.isna(value) else text(value)


def two_digits(value: float) -> str:
    """Return two digits of a number below 100, and the whole part of others."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def memory_text(gib: float) -> str:
    """Return memory as people say it."""
    return f"{two_digits(gib)} GiB" if gib >= 1 else f"{gib * 1024:.0f} MiB"


def title(lines: list[Line]) -> str:
    """Say what is shown, and on what."""
    first = lines[0].ours
    cores = "two CPU cores" if first.num_threads == 2 else f"{first.num_threads:.0f} CPU cores"
    return f"redditgnn beside PyG on {cores}"


def provenance(lines: list[Line]) -> str:
    """Return threads, versions and the number of rounds."""
    torch, pyg = (
        ", ".join(sorted({str(line.ours[name]) for line in lines}))
        for name in ("torch_version", "pyg_version")
    )
    counts = sorted({int(line.ours.n) for line in lines})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return (
        f"{lines[0].ours.num_threads:.0f} threads; torch {torch}, PyG {pyg} (its fastest form); "
        f"medians of {rounds} rounds; synthetic graphs shaped like Reddit"
    )


if __name__ == "__main__":
    sys.exit(main())
