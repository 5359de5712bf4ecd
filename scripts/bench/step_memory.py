"""Measure the memory of one training step, in a process of its own.

The first step warms up: it compiles, and creates what the optimizer and the histories hold. All
that is there then (graph, features, weights, histories) is the base. The peak of a second step
above it is what the step needs, the batch with its features included.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.runtime.measure import MIB
from scripts.bench.cases.training import OneBatch, OurTraining
from scripts.bench.timing.memory import PeakMemory, out_of_memory_text
from scripts.bench.timing.processes import run_module


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """`status`: completed, oom, timeout or failed. `halo`: nodes that are read from histories.

    `extra_mib`: peak of the step above what was there; `peak_mib`: with it.
    """

    status: str = "completed"
    note: str = ""
    nodes: int = 0
    edges: int = 0
    batch_nodes: int = 0
    batch_edges: int = 0
    halo: int = 0
    histories_mib: float = 0.0
    extra_mib: float | None = None
    peak_mib: float | None = None


def measure_in_process(
    overrides: Sequence[str], data_dir: str, device_name: str, timeout_s: float
) -> StepMemory:
    """Measure in a new process; return whatever happens to that one."""
    arguments = [data_dir, device_name, *overrides]
    return StepMemory(**run_module("scripts.bench.step_memory", arguments, timeout_s=timeout_s))


def measure_here(overrides: Sequence[str], data_dir: Path, device: torch.device) -> StepMemory:
    """Measure in this process."""
    settings = compose_settings(overrides)
    graph: GraphData = settings.build("dataset", data_dir)
    num_layers = settings.components["model"]["num_layers"]
    sampler = settings.build("sampler", graph, num_layers=num_layers, device=device, seed=0)
    batch = OneBatch(sampler)
    with tempfile.TemporaryDirectory() as folder:
        training = OurTraining(graph, overrides, device, Path(folder), batch)
        training.epoch()
        histories_mib = _touch_histories(sampler)
        memory = PeakMemory(device)
        training.epoch()
        extra, peak = memory.extra_mib, memory.peak_mib
    return StepMemory(
        nodes=graph.num_nodes,
        edges=graph.num_edges,
        batch_nodes=batch.num_nodes,
        batch_edges=batch.num_edges,
        halo=batch.num_nodes - batch.num_targets,
        histories_mib=histories_mib,
        extra_mib=extra,
        peak_mib=peak,
    )


def _touch_histories(sampler: Any) -> float:
    """Write to every page of the histories, so that the step meets no new one; return their MiB."""
    store = getattr(sampler, "histories", None)
    if store is None:
        return 0.0
    store.settle()
    num_bytes = 0
    for states in store.states.values():
        states.add_(0)
        num_bytes += states.numel() * states.element_size()
    return num_bytes / MIB


def main(data_dir: str, device_name: str, *overrides: str) -> int:
    """Print what was measured, as JSON in one line."""
    try:
        memory = measure_here(overrides, Path(data_dir), torch.device(device_name))
    except (MemoryError, RuntimeError) as error:
        memory = StepMemory(status="oom", note=out_of_memory_text(error))
    print(json.dumps(asdict(memory)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
