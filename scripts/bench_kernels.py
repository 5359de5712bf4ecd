"""Time layers over the full graph: ours, PyG's and, where it is installed, DGL's.

usage: python scripts/bench_kernels.py [--scale S] [--only WORK,...] [--device cuda] [...]

For each piece of work: memory and error against float64 of every side, forward and backward, on a
CPU each in a process of its own; then times, alternately in one process. PyG gets its plain
edge_index, and beside it the adjacency type that is fastest on a tenth of the nodes, if that is
another. Where the memory does not suffice for PyG, the work is done once more at half the scale,
until it does.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import torch

from benchrow import (
    Row,
    Sheet,
    add_options,
    check_only,
    dataset_name,
    load_graph,
    out_path,
    timed,
)
from floors import copy_bandwidth
from layer_kinds import Work, least_bytes
from layers import PLAIN, SIDES, Case, available_sides
from probe import Found, Place, attempted, limit_memory, measured, probe
from sidebyside import Side, Timing, alternate, release_memory

WORKS = {
    work.name: work
    for work in (
        Work(name="gat 8x8", kind="gat", heads=8, channels=8),
        Work(name="gatv2 8x8", kind="gatv2", heads=8, channels=8),
        Work(name="sage 64", kind="sage", channels=64),
        Work(name="gcn 64", kind="gcn", channels=64),
        Work(name="pna 64", kind="pna", channels=64),
        Work(name="sage 256", kind="sage", in_channels=256, channels=256),
        Work(name="gcn 256", kind="gcn", in_channels=256, channels=256),
        Work(name="gat 1x256", kind="gat", channels=256),
        Work(name="gatv2 1x256", kind="gatv2", channels=256),
        Work(name="gat 8x8 dropout 0.6", kind="gat", heads=8, channels=8, attention_dropout=0.6),
        Work(
            name="gatv2 8x8 dropout 0.6", kind="gatv2", heads=8, channels=8, attention_dropout=0.6
        ),
    )
}
DEFAULT = ["gat 8x8", "gatv2 8x8", "sage 64", "gcn 64", "pna 64", "sage 256", "gcn 256"]
FASTER = 0.95  # of the time of the plain path: less of a gain than this is noise
SLOW_S = 20.0  # a call of this length is not warmed up: it has nothing to compile
PATH_ROUNDS = 3
SMALLEST_SCALE = 0.01  # to which the work is halved where PyG runs out of memory


class Bench:
    """Measures pieces of work on one graph and writes their rows."""

    def __init__(
        self, options: argparse.Namespace, scale: float, sheet: Sheet, program: str
    ) -> None:
        self._options, self._sheet, self._program = options, sheet, program
        self._device = torch.device(options.device)
        self._graph = load_graph(options.dataset, scale, options.data_dir)
        self._dataset = dataset_name(options.dataset, scale)
        self._bytes_per_s = copy_bandwidth(self._device)
        self._place = Place(
            dataset=options.dataset,
            scale=scale,
            data_dir=str(options.data_dir),
            device=options.device,
            memory_limit_gib=options.memory_limit_gib,
        )
        limit_memory(self._device, options.memory_limit_gib)

    def sides(self, work: Work) -> list[str]:
        """Name what is worth measuring: of PyG's paths the plain one, and the best if it is not."""
        names = available_sides(work.kind)
        paths = [name for name in names if name.startswith("pyg")]
        seconds = self._on_a_tenth(work, paths)
        best = min(seconds, key=seconds.__getitem__)
        chosen = {PLAIN, best if seconds[best] < FASTER * seconds[PLAIN] else PLAIN}
        return [name for name in names if name in chosen or name not in paths]

    def measure(
        self, work: Work, sides: Sequence[str], forward_too: bool = True
    ) -> dict[str, Found]:
        """Measure some sides of a piece of work and write their rows.

        Returns:
            What became of each side, forward and backward.
        """
        found = {side: self._probe(work, side, "forward_backward") for side in sides}
        self._measure(work, "forward_backward", found)
        if forward_too:
            alone = {side: self._forward(work, side, it) for side, it in found.items()}
            self._measure(work, "forward", alone)
        return found

    def _forward(self, work: Work, side: str, both: Found) -> Found:
        """Probe the forward pass alone only where it is not clear that it can be done."""
        if both.status == "completed":
            return Found(status="completed", seconds=both.seconds)
        return self._probe(work, side, "forward")

    def _probe(self, work: Work, side: str, phase: str) -> Found:
        release_memory(self._device)  # the probe wants it
        if self._device.type != "cuda":
            return probe(work, side, phase, self._place)
        return attempted(lambda: measured(work, side, phase, self._graph, self._device))

    def _measure(self, work: Work, phase: str, found: dict[str, Found]) -> None:
        timings = self._timings(work, phase, found)
        for side, it in found.items():
            row = self._row(work, phase, side, it)
            if side in timings:
                row = timed(row, timings[side], timings.get("ours"))
            self._sheet.write(row)

    def _on_a_tenth(self, work: Work, names: Sequence[str]) -> dict[str, float]:
        part = self._graph.subgraph(torch.arange(self._graph.num_nodes) % 10 == 0)
        case = Case(work, part, self._device)
        timings = alternate(
            [Side(name, partial(case.forward_backward, SIDES[name](case))) for name in names],
            repeats=PATH_ROUNDS,
            budget_s=0,
            device=self._device,
        )
        return {
            name: math.inf if timing.out_of_memory else timing.spread.median
            for name, timing in timings.items()
        }

    def _timings(self, work: Work, phase: str, found: dict[str, Found]) -> dict[str, Timing]:
        able = {name: it.seconds for name, it in found.items() if it.status == "completed"}
        if not able:
            return {}
        case = Case(work, self._graph, self._device)
        call = getattr(case, phase)
        sides = [
            Side(name, partial(call, SIDES[name](case)), warms_up=seconds < SLOW_S)
            for name, seconds in able.items()
        ]
        repeats, budget_s = self._options.repeats, self._options.budget_s
        return alternate(sides, repeats=repeats, budget_s=budget_s, device=self._device)

    def _row(self, work: Work, phase: str, side: str, found: Found) -> Row:
        return Row(
            program=self._program,
            dataset=self._dataset,
            nodes=self._graph.num_nodes,
            edges=self._graph.num_edges,
            work=f"{work.name} {phase}",
            side=side,
            reference="ours",
            status=found.status,
            note=found.note,
            extra_mib=found.extra_mib,
            output_error=found.output_error,
            gradient_error=found.gradient_error,
            floor_s=least_bytes(work, phase, self._graph) / self._bytes_per_s,
            copy_gb_s=self._bytes_per_s / 1e9,
            settings=json.dumps(asdict(work)),
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what the options say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, works=[*WORKS], chosen=DEFAULT)
    options = parser.parse_args(argv)
    check_only(parser, options.only, [*WORKS])
    device = torch.device(options.device)
    sheet = Sheet(out_path(options, "kernels"), device, options.memory_limit_gib)
    works = [WORKS[name] for name in options.only]
    scale = options.scale
    while works:
        bench = Bench(options, scale, sheet, "kernels")
        found = {work: bench.measure(work, bench.sides(work)) for work in works}
        scale /= 2
        again = options.dataset == "sbm" and scale >= SMALLEST_SCALE
        works = [work for work in works if again and found[work][PLAIN].status == "oom"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
