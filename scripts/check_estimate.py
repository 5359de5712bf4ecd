"""Compare the estimate of memory with what processes took, and write a table into docs/memory.md.

usage: python scripts/check_estimate.py [--data-dir DIR] [--only WORD] [--write]

Each run is a process of its own, on the CPU, full-batch: it reads all of its graph, warms its
kernels up on a small one, and then trains two steps and evaluates once. Its peaks of resident
memory are those above what was resident before the model was built. They hold what the estimate
does not count: pages of code, the allocator's rounding, what torch's operators allocate within.

glibc keeps what was freed and reuses it badly, which is no need of the run: the processes are told
to give back what is freed (MALLOC_MMAP_THRESHOLD_=131072), as trainer.memory_limit_gib does. Set
that variable to 33554432 to see what a process takes by default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from generated import ROOT, insert, line
from our_training import OurTraining
from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import estimate
from redditgnn.runtime.measure import peak_rss_mib, reset_peak_rss
from sidebyside import CPU, MIB, PeakMemory, release_memory

DATASETS = {
    "pubmed": ("dataset=pubmed",),
    "sbm 0.05": ("dataset=sbm", "dataset.scale=0.05"),
    "sbm 0.1": ("dataset=sbm", "dataset.scale=0.1"),
}
MODELS = ("gat", "gatv2", "gcn", "sage", "gcn2")
DOCUMENT = Path("docs/memory.md")
BEGIN, END = "<!-- estimates: made by check_estimate.py -->", "<!-- end of estimates -->"
HEADER = """\
| graph | model | training, MiB | measured | ratio | evaluation, MiB | measured | ratio |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all runs, or those whose graph or model is `--only`; print or write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", default="data", help="root of the datasets (%(default)s)")
    parser.add_argument("--only", help="a graph or a model")
    parser.add_argument("--write", action="store_true", help=f"into {DOCUMENT}")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args(argv)
    if options.one:
        print(json.dumps(measured(options.one, Path(options.data_dir))))
        return 0
    rows = [HEADER]
    for graph, overrides in DATASETS.items():
        for model in MODELS:
            if options.only in (None, graph, model):
                chosen = [*overrides, f"model={model}", "sampler=full"]
                rows.append(line(graph, model, *_cells(chosen, options.data_dir)))
                print(rows[-1], flush=True)
    if options.write:
        path = ROOT / DOCUMENT
        path.write_text(insert("\n".join(rows), path.read_text(), BEGIN, END))
    return 0


def measured(overrides: list[str], data_dir: Path) -> list[float]:
    """Return estimate and measured peak of training, and the same of evaluation, in MiB."""
    settings = compose_settings(overrides)
    trainer = settings.build("trainer", device=CPU)
    graph: GraphData = settings.build("dataset", data_dir)
    graph.x.sum()  # every page of it
    with tempfile.TemporaryDirectory() as folder:
        warm = graph.subgraph(torch.arange(graph.num_nodes) < 500)
        small = OurTraining(warm, overrides, CPU, Path(folder))
        small.epoch()
        ExactInference(warm, CPU, chunk_edges=None)(small.model.eval())
        del small, warm
        layers = settings.build("model", graph.spec).num_layers
        sampler = settings.build("sampler", graph, num_layers=layers, device=CPU, seed=0)
        batch = next(iter(sampler))
        found = estimate(settings, trainer, graph, graph, batch, 1, CPU)
        del sampler, batch
        memory = PeakMemory(CPU)
        training = OurTraining(graph, overrides, CPU, Path(folder))
        training.epoch()
        training.epoch()
        trained = memory.extra_mib
        release_memory(CPU)
        reset_peak_rss()
        ExactInference(graph, CPU, chunk_edges=None)(training.model.eval())
        tested = peak_rss_mib() - memory.base_mib
    return [found.training / MIB, trained, found.testing / MIB, tested]


def _cells(overrides: list[str], data_dir: str) -> list[str]:
    command = [sys.executable, "-W", "ignore", __file__, "--data-dir", data_dir, "--one"]
    environment = {"MALLOC_MMAP_THRESHOLD_": "131072"} | os.environ
    done = subprocess.run(
        [*command, *overrides], stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    told, took, told_eval, took_eval = json.loads(done.stdout.splitlines()[-1])
    pairs = ((told, took), (told_eval, took_eval))
    return [cell for a, b in pairs for cell in (f"{a:,.0f}", f"{b:,.0f}", f"{a / b:.2f}")]


if __name__ == "__main__":
    sys.exit(main())
