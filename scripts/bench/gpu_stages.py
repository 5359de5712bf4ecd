"""The stages of a day with a GPU, most valuable first."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.prepare import graph_scales

CAP_GIB = 24  # of memory: as if the device were the one that most people have
SHRINK = 10  # from one graph to the next smaller one that PyG has the memory for
PATIENCE_S = 20  # a slower call is timed once
PEER_WORKERS = max(
    0, (os.cpu_count() or 0) - 2
)  # of PyG's loaders: to try out others takes minutes


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Commands that belong together, and the seconds that they get; the first failure ends them."""

    name: str
    limit_s: float
    commands: Sequence[Sequence[str]]


def stages(device: str, scale: float, data_dir: Path, folder: Path) -> list[Stage]:
    """Return the stages. Their rows go to files in `folder`."""
    place = ["--device", device, "--data-dir", str(data_dir), "--scale", f"{scale:g}"]

    def bench(program: str, *options: str) -> list[str]:
        module = [sys.executable, "-W", "ignore", "-m", f"scripts.bench.{program}"]
        return [*module, "--out", str(folder / f"{device}-{program}.csv"), *place, *options]

    def stage(name: str, limit_s: float, program: str, works: str, *options: str) -> Stage:
        limits = ["--memory-limit-gib", str(CAP_GIB), "--budget-s", "5", "--only", works]
        return Stage(name=name, limit_s=limit_s, commands=[bench(program, *limits, *options)])

    def kernels(name: str, limit_s: float, works: str) -> Stage:
        return stage(name, limit_s, "kernels", works, "--shrink", str(SHRINK))

    def step(name: str, limit_s: float, works: str, batches: int = 0) -> Stage:
        options = ["--batches", str(batches), "--patience-s", str(PATIENCE_S)]
        options += ["--num-workers", str(PEER_WORKERS)]
        return stage(name, limit_s, "step", works, *options)

    tests = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "tests/gpu", "tests/memory"]
    scales = ",".join(f"{each:g}" for each in graph_scales(scale))
    return [
        Stage(name="prepare", limit_s=180, commands=[bench("prepare")]),
        Stage(name="tests", limit_s=240, commands=[tests]),
        step("sage", 240, "sage epoch"),
        kernels("layers 8x8", 240, "gatv2 8x8,gat 8x8"),
        step("full gat", 120, "full gat 3 layers 1 head,full gat 3 layers 2 heads"),
        kernels("layers 1x256", 240, "gat 1x256,gatv2 1x256"),
        step("evaluation", 180, "exact evaluation"),
        step("histories", 150, "history transfers"),
        step("tiers", 180, "feature tiers", batches=30),
        step("samplers", 180, "subgraph epoch"),
        step("precision", 240, "precision"),
        kernels("sums", 180, "sage 256,gcn 256"),
        step("sampled attention", 240, "gat epoch,gatv2 epoch", batches=20),
        stage("scaling", 240, "scaling", "gat 8x8,gatv2 8x8", "--scales", scales),
    ]
