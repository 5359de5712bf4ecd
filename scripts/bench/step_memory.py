"""Measure the memory of one training step in a process of its own.

The first step warms up: it compiles, and makes what the optimizer and the histories keep. Then all
that is there (graph, features, weights, histories) is the base, and the peak of a second step above
it is what the step needs, the batch included: sampled, with its features.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from redditgnn.config import compose_settings
from redditgnn.graph import Batch, GraphData, Sampler
from scripts.bench.cases.training import OurTraining
from scripts.bench.timing.alternate import MIB, PeakMemory, how_it_died, out_of_memory_text


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`status`: completed, oom or failed. `halo`: nodes of the batch that are read from histories.

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


class OneBatch:
    """Epochs of one batch, so that an epoch is a step.

    Attributes:
        shape: Targets, nodes and edges of the last batch.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.has_halo = sampler, sampler.has_halo
        self.shape = (0, 0, 0)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        batch = next(iter(self.sampler))
        self.shape = (batch.num_dst[-1], len(batch.node_ids), len(batch.col))
        yield batch


def measure(overrides: list[str], data_dir: str, device_name: str, timeout_s: float) -> Measured:
    """Measure in a new process; whatever happens to that one, return."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        __spec__.name,
        data_dir,
        device_name,
        *overrides,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return Measured(status="timeout", note=f"not done after {timeout_s:g} s")
    if done.returncode != 0:
        status, note = how_it_died(done)
        return Measured(status=status, note=note)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def measured(overrides: list[str], data_dir: Path, device: torch.device) -> Measured:
    """Measure in this process."""
    settings = compose_settings(overrides)
    graph: GraphData = settings.build("dataset", data_dir)
    num_layers = settings.components["model"]["num_layers"]
    sampler = settings.build("sampler", graph, num_layers=num_layers, device=device, seed=0)
    one = OneBatch(sampler)
    with tempfile.TemporaryDirectory() as folder:
        training = OurTraining(graph, overrides, device, Path(folder), one)
        training.epoch()
        histories_mib = _touched_mib(sampler)
        memory = PeakMemory(device)
        training.epoch()
        extra, peak = memory.extra_mib, memory.peak_mib
    inside, batch_nodes, batch_edges = one.shape
    return Measured(
        nodes=graph.num_nodes,
        edges=graph.num_edges,
        batch_nodes=batch_nodes,
        batch_edges=batch_edges,
        halo=batch_nodes - inside,
        histories_mib=histories_mib,
        extra_mib=extra,
        peak_mib=peak,
    )


def _touched_mib(sampler: Any) -> float:
    """Write to every page of the histories, so that the step finds them all; return their size."""
    store = getattr(sampler, "histories", None)
    if store is None:
        return 0.0
    store.settle()
    for states in store.states.values():
        states.add_(0)
    return sum(states.numel() * states.element_size() for states in store.states.values()) / MIB


def main(argv: list[str]) -> int:
    """Print what was measured, as JSON in one line."""
    data_dir, device_name, *overrides = argv
    try:
        found = measured(overrides, Path(data_dir), torch.device(device_name))
    except (MemoryError, RuntimeError) as error:
        found = Measured(status="oom", note=out_of_memory_text(error))
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
