"""Compare the estimate of memory with what processes took, and write a table into docs/memory.md.

usage: python -m scripts.bench.estimate [--data-dir DIR] [--only WORD] [--write]

Each run is a process of its own, on the CPU, full-batch: it reads all of its graph, warms its
kernels up on a small one, and then trains two steps and evaluates once. Its peaks of resident
memory are those above what was resident before the model was built. They hold what the estimate
does not count: pages of code, the allocator's rounding, what torch's operators allocate within.

glibc does not return what was freed and reuses it badly, which is no need of the run. The processes
return it (MALLOC_MMAP_THRESHOLD_=131072), as trainer.memory_limit_gib does. Set that variable to
33554432 to see what a process takes by default.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.parts import Parts
from redditgnn.runtime.measure import MIB, peak_rss_mib, reset_peak_rss
from scripts import ROOT
from scripts.bench.cases.training import OurTraining
from scripts.bench.timing.memory import CPU, PeakMemory, release_memory
from scripts.bench.timing.processes import run_module
from scripts.tables.documents import insert, table_row

DATASETS = {
    "pubmed": ("dataset=pubmed",),
    "sbm 0.05": ("dataset=sbm", "dataset.scale=0.05"),
    "sbm 0.1": ("dataset=sbm", "dataset.scale=0.1"),
}
MODELS = ("gat", "gatv2", "gcn", "sage", "gcn2")
DOCUMENT = Path("docs/memory.md")
BEGIN, END = "<!-- estimates: made by scripts.bench.estimate -->", "<!-- end of estimates -->"
HEADER = """\
| graph | model | training, MiB | measured | ratio | evaluation, MiB | measured | ratio |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


class Comparison(NamedTuple):
    """Estimates and measured peaks, in MiB."""

    training: float
    training_peak: float
    evaluation: float
    evaluation_peak: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all runs, or those whose graph or model is `--only`; print or write the table."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.estimate", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--data-dir", default="data", help="root of the datasets (%(default)s)")
    parser.add_argument("--only", help="a graph or a model")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT}")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(measure_here(options.one, Path(options.data_dir))._asdict()))
        return 0
    rows = [HEADER]
    for graph, overrides in DATASETS.items():
        for model in MODELS:
            if options.only in (None, graph, model):
                of_run = [*overrides, f"model={model}", "sampler=full"]
                rows.append(table_row(graph, model, *_cells(of_run, options.data_dir)))
                print(rows[-1], flush=True)
    if options.write:
        path = ROOT / DOCUMENT
        path.write_text(insert("\n".join(rows), path, BEGIN, END))
    return 0


def measure_here(overrides: list[str], data_dir: Path) -> Comparison:
    """Measure one run in this process."""
    settings = compose_settings([*overrides, "device=cpu", f"data_dir={data_dir}"])
    parts = Parts(settings)
    graph = parts.graph
    graph.dense_x.sum()  # every page of it
    with tempfile.TemporaryDirectory() as folder:
        _warm_up(graph, overrides, Path(folder))
        needs = estimate_sampler(parts, parts.sampler)
        del parts
        memory = PeakMemory(CPU)
        training = OurTraining(graph, overrides, CPU, Path(folder))
        training.epoch()
        training.epoch()
        training_peak = memory.extra_mib
        release_memory(CPU)
        reset_peak_rss()
        ExactInference(graph, CPU, chunk_edges=None)(training.model.eval())
        evaluation_peak = peak_rss_mib() - memory.base_mib
    return Comparison(needs.training / MIB, training_peak, needs.testing / MIB, evaluation_peak)


def _warm_up(graph: GraphData, overrides: list[str], folder: Path) -> None:
    """Compile the kernels on a small part of the graph."""
    part = graph.subgraph(torch.arange(graph.num_nodes) < 500)
    training = OurTraining(part, overrides, CPU, folder)
    training.epoch()
    ExactInference(part, CPU, chunk_edges=None)(training.model.eval())


def _cells(overrides: list[str], data_dir: str) -> list[str]:
    threshold = os.environ.get("MALLOC_MMAP_THRESHOLD_", "131072")
    answer = run_module(
        "scripts.bench.estimate",
        ["--data-dir", data_dir, "--one", *overrides],
        environment={"MALLOC_MMAP_THRESHOLD_": threshold},
    )
    if "note" in answer:
        raise RuntimeError(f"{' '.join(overrides)}: {answer['status']}, {answer['note']}")
    both = Comparison(**answer)
    pairs = ((both.training, both.training_peak), (both.evaluation, both.evaluation_peak))
    return [cell for a, b in pairs for cell in (f"{a:,.0f}", f"{b:,.0f}", f"{a / b:.2f}")]


if __name__ == "__main__":
    sys.exit(main())
