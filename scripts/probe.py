"""Run one side of one piece of work once, in a process of its own that memory may run out in.

(On a CPU; of a CUDA device torch counts what is taken, and that there is no more ends no process.)

`probe(...)` starts it and returns what it found: peak memory of the first call on the full graph,
so that what a side keeps for later calls counts, and its error against float64. It has called the
same side on a small part of the graph before, so that compiling does not count.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from benchrow import load_graph
from layer_kinds import Work
from layers import SIDES, Case, exact
from redditgnn.graph.data import GraphData
from redditgnn.runtime.memory import GIB, private_bytes
from sidebyside import PeakMemory, how_it_died, out_of_memory_text

LEFT_FREE_GIB = 1.0
SMALL_NODES = 500


@dataclass(frozen=True, kw_only=True)
class Found:
    """`status`: completed, oom, timeout or failed; the numbers are None unless completed."""

    status: str
    note: str = ""
    seconds: float | None = None
    extra_mib: float | None = None
    output_error: float | None = None
    gradient_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which graph, where, and how much memory a side may take (None: what is free)."""

    dataset: str
    scale: float
    data_dir: str
    device: str
    memory_limit_gib: float | None


def probe(work: Work, side: str, phase: str, place: Place, timeout_s: float = 1800) -> Found:
    """Run `side` once in a new process; whatever happens to that one, return."""
    told = {"work": asdict(work), "side": side, "phase": phase, "place": asdict(place)}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "found.json"
        command = [sys.executable, "-W", "ignore", __file__, json.dumps(told), str(answer)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return Found(status="timeout", note=f"not done after {timeout_s:g} s")
        if done.returncode != 0:
            status, note = how_it_died(done)
            return Found(status=status, note=note)
        return Found(**json.loads(answer.read_text()))


def limit_memory(device: torch.device, limit_gib: float | None) -> None:
    """Make allocations beyond the limit fail in this process, instead of the machine.

    On a CPU the limit is on private writable memory (RLIMIT_DATA), beyond what the process has:
    files that are mapped do not count. On CUDA it is on what torch's allocator reserves.
    """
    if device.type == "cuda":
        if limit_gib is not None:
            total = torch.cuda.get_device_properties(device).total_memory
            share = min(1.0, limit_gib * GIB / total)
            torch.cuda.set_per_process_memory_fraction(share, device.index or 0)
        return
    if sys.platform != "linux":  # nothing to set
        return
    if limit_gib is None:
        limit_gib = psutil.virtual_memory().available / GIB - LEFT_FREE_GIB
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(limit_gib * GIB) + private_bytes(), hard))


def die_first() -> None:
    """If memory runs out all the same, let the kernel end this process and no other."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def measured(work: Work, side: str, phase: str, graph: GraphData, device: torch.device) -> Found:
    """Measure memory and error of one call of `side` in this process."""
    small = graph.subgraph(torch.arange(graph.num_nodes) < SMALL_NODES)
    warm = Case(work, small, device)
    getattr(warm, phase)(SIDES[side](warm))
    case = Case(work, graph, device)
    case.mask_cotangent()
    layer = SIDES[side](case)
    memory, start = PeakMemory(device), time.perf_counter()
    out = getattr(case, phase)(layer)
    extra = memory.extra_mib  # waits for the device
    seconds = time.perf_counter() - start
    errors = errors_of(case, out) if work.attention_dropout == 0 else (None, None)
    return Found(
        status="completed",
        seconds=seconds,
        extra_mib=extra,
        output_error=errors[0],
        gradient_error=errors[1],
    )


def attempted(attempt: Callable[[], Found]) -> Found:
    """Return what `attempt` finds, or that memory ran out."""
    try:
        return attempt()
    except (MemoryError, RuntimeError) as error:
        return Found(status="oom", note=out_of_memory_text(error))


def errors_of(case: Case, out: torch.Tensor) -> tuple[float, float | None]:
    """Compare output and gradient of `h` (where there is one) with float64."""
    want, touched, gradient = exact(case)
    output_error = relative_error(out[case.checked_rows.to(out.device)], want)
    if case.h.grad is None:
        return output_error, None
    return output_error, relative_error(case.h.grad[touched.to(out.device)], gradient)


def relative_error(got: torch.Tensor, want: torch.Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((got.cpu().double() - want).abs().max() / want.abs().max())


def main(argv: list[str]) -> int:
    """Measure what the first argument says, and write it to the file that the second names."""
    told: dict[str, Any] = json.loads(argv[0])
    place, work = Place(**told["place"]), Work(**told["work"])
    device = torch.device(place.device)
    die_first()
    limit_memory(device, place.memory_limit_gib)

    def attempt() -> Found:
        graph = load_graph(place.dataset, place.scale, Path(place.data_dir))
        return measured(work, told["side"], told["phase"], graph, device)

    found = attempted(attempt)
    Path(argv[1]).write_text(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
