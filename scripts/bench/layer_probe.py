"""Call one side of one layer once, and measure its memory and its error.

On a CPU it does so in a process of its own, in which memory may run out; of a CUDA device torch
counts what is taken, and a lack of it ends no process. The peak is that of the first call on the
full graph, so that it counts what a side keeps for later calls. The same side was called on a small
part of the graph before, so that compiling does not count.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from redditgnn.graph.data import GraphData
from scripts.bench.cases.layer_works import LayerWork, Phase
from scripts.bench.cases.layers import LayerCase
from scripts.bench.cases.setup import Setup
from scripts.bench.peers.layers import SIDES
from scripts.bench.peers.reference import errors_of, wrong_numbers
from scripts.bench.timing.memory import PeakMemory, die_first, limit_memory, out_of_memory_text
from scripts.bench.timing.processes import run_module

SMALL_NODES = 500
TIMEOUT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """The first call: `status` is completed, oom, timeout or failed.

    `seconds` only if it is completed. Numbers that are wrong are a failure.
    """

    status: str
    note: str = ""
    seconds: float | None = None
    extra_mib: float | None = None
    output_error: float | None = None
    gradient_error: float | None = None


def probe_in_process(work: LayerWork, side: str, phase: Phase, setup: Setup) -> Probe:
    """Probe `side` in a new process; return whatever happens to that one."""
    task = {"work": asdict(work), "side": side, "phase": phase, "setup": asdict(setup)}
    answer = run_module("scripts.bench.layer_probe", [json.dumps(task)], timeout_s=TIMEOUT_S)
    return Probe(**answer)


def probe_here(
    work: LayerWork, side: str, phase: Phase, graph: GraphData, device: torch.device
) -> Probe:
    """Probe `side` in this process; a lack of memory is an answer."""
    return _unless_out_of_memory(lambda: _probe(work, side, phase, graph, device))


def _unless_out_of_memory(attempt: Callable[[], Probe]) -> Probe:
    try:
        return attempt()
    except (MemoryError, RuntimeError) as error:
        return Probe(status="oom", note=out_of_memory_text(error))


def _probe(
    work: LayerWork, side: str, phase: Phase, graph: GraphData, device: torch.device
) -> Probe:
    small = graph.subgraph(torch.arange(graph.num_nodes) < SMALL_NODES)
    warm = LayerCase(work, small, device)
    warm.run(phase, SIDES[side](warm))
    case = LayerCase(work, graph, device)
    case.mask_cotangent()
    layer = SIDES[side](case)
    memory, start = PeakMemory(device), time.perf_counter()
    out = case.run(phase, layer)
    extra = memory.extra_mib  # waits for the device
    seconds = time.perf_counter() - start
    errors = errors_of(case, out) if work.attention_dropout == 0 else (None, None)
    fault = wrong_numbers(*errors)
    return Probe(
        status="failed" if fault else "completed",
        note=fault,
        seconds=None if fault else seconds,
        extra_mib=extra,
        output_error=errors[0],
        gradient_error=errors[1],
    )


def main(task: str) -> int:
    """Probe what the JSON in `task` says, and print the answer as JSON."""
    values = json.loads(task)
    work, setup = LayerWork(**values["work"]), Setup(**values["setup"])
    die_first()
    limit_memory(setup.device, setup.memory_limit_gib)

    def attempt() -> Probe:
        graph = setup.load_graph()
        return _probe(work, values["side"], values["phase"], graph, setup.device)

    print(json.dumps(asdict(_unless_out_of_memory(attempt))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
