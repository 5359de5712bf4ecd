"""Prepare a day with a GPU: generate its graphs while its kernels are compiled.

usage: python -m scripts.bench.prepare [--scale S] [--data-dir DIR] [--device cuda]

Later stages find graphs, partitions and kernels in caches. Partitions come from .gpu/partitions,
where 'make gpu-pack' puts those of the largest graph, since METIS needs minutes for it. With
--pack, which needs no GPU, they are computed and put there, and nothing else is done.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch

from redditgnn.graph.data import GraphData
from redditgnn.partition.parts import parts_of
from scripts import ROOT
from scripts.bench.cases.exact_training import training_fault
from scripts.bench.cases.layer_works import WORKS
from scripts.bench.cases.layers import LayerCase
from scripts.bench.cases.setup import Setup
from scripts.bench.cases.training import OurTraining
from scripts.bench.options import add_place, new_parser
from scripts.bench.peers.layers import SIDES
from scripts.bench.step_bench import ATTENTION, SAMPLED, SMALL_SCALE, TREE
from scripts.bench.step_histories import PARTS

PACKED = ROOT / ".gpu" / "partitions"
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)  # of the scale: the graphs of all stages
TRAININGS = (
    *(["model=sage", *sampled] for sampled in (SAMPLED, TREE)),
    *([f"model={name}", *SAMPLED, *ATTENTION] for name in ("gat", "gatv2")),
)

Result = TypeVar("Result")


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare what the options say; 1 if a training is wrong."""
    parser = new_parser("prepare", __doc__)
    add_place(parser, scale=1.0)
    parser.add_argument("--pack", action="store_true", help="compute the partitions, for later")
    options = parser.parse_args(argv)
    device = torch.device(options.device)
    if options.pack:
        pack_partitions(load(options.data_dir, options.scale), PACKED)
        return 0
    small = load(options.data_dir, SMALL_SCALE)
    with ThreadPoolExecutor(1) as pool:
        graphs = pool.submit(
            seconds_of, lambda: generate(options.data_dir, graph_scales(options.scale))
        )
        compile_s, faults = seconds_of(lambda: compile_kernels(small, device))
        generate_s, _ = graphs.result()
    print("\n".join(faults))
    print(f"graphs in {generate_s:.0f} s, kernels in {compile_s:.0f} s")
    return 1 if faults else 0


def graph_scales(scale: float) -> list[float]:
    """Return the scales of all graphs of a day, ascending."""
    return sorted({float(f"{max(share * scale, SMALL_SCALE):g}") for share in SHARES})


def load(data_dir: Path, scale: float) -> GraphData:
    """Load a synthetic graph, or generate it."""
    setup = Setup(
        dataset="sbm",
        scale=scale,
        data_dir=str(data_dir),
        device_name="cpu",
        repeats=0,
        budget_s=0,
    )
    return setup.load_graph()


def generate(data_dir: Path, scales: Sequence[float]) -> None:
    """Put graphs into the cache, and their partitions if there are any."""
    for scale in scales:
        graph = load(data_dir, scale)
        for path in PACKED.glob(partitions_of(graph)):
            if graph.cache_dir is not None:
                shutil.copy(path, graph.cache_dir)


def pack_partitions(graph: GraphData, folder: Path) -> None:
    """Cut a graph as the stages do, and put the partitions into `folder`."""
    parts_of(graph, PARTS)
    assert graph.cache_dir is not None, "a loaded graph has a folder"
    folder.mkdir(parents=True, exist_ok=True)
    for path in graph.cache_dir.glob(partitions_of(graph)):
        shutil.copy(path, folder)


def partitions_of(graph: GraphData) -> str:
    """Return the pattern of the names of a graph's partitions: those of no other match it."""
    return f"metis-{PARTS}-{graph.fingerprint.edges.replace(':', '-')}.npy"


def compile_kernels(graph: GraphData, device: torch.device) -> list[str]:
    """Run every layer and the sampled trainings on a small graph; return what is wrong."""
    for work in WORKS.values():
        case = LayerCase(work, graph, device)
        case.forward_backward(SIDES["ours"](case))
    with tempfile.TemporaryDirectory() as folder:
        trainings = [OurTraining(graph, each, device, Path(folder)) for each in TRAININGS]
        faults = [training_fault(training, graph, Path(folder)) for training in trainings]
    return [fault for fault in faults if fault]


def seconds_of(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return how long a call takes, and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    sys.exit(main())
