"""Layers over one graph: a piece of work and its sides become rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial

import torch

from scripts.bench.cases.layer_works import LayerWork, Phase, least_bytes
from scripts.bench.cases.layers import LayerCase
from scripts.bench.cases.setup import Setup
from scripts.bench.layer_probe import Probe, probe_here, probe_in_process
from scripts.bench.peers.layers import PLAIN, SIDES, available_sides
from scripts.bench.rows.row import Row, with_times
from scripts.bench.timing.alternate import Side, Timing, alternate
from scripts.bench.timing.bandwidth import copy_bandwidth
from scripts.bench.timing.memory import limit_memory, release_memory

FASTER = 0.95  # of the time of the plain path: less of a gain than this is noise
SLOW_S = 20.0  # a call of this length is not warmed up: it has nothing to compile
PATH_ROUNDS = 3


class LayerBench:
    """Measures layers on one graph: memory and error of each side first, then times."""

    def __init__(self, setup: Setup, program: str) -> None:
        self._setup, self._program, self._device = setup, program, setup.device
        self._graph = setup.load_graph()
        self._bytes_per_s = copy_bandwidth(self._device)
        limit_memory(self._device, setup.memory_limit_gib)

    def sides(self, work: LayerWork) -> list[str]:
        """Name the sides worth measuring: of PyG's paths the plain one, and one that is faster."""
        names = available_sides(work.kind)
        paths = [name for name in names if name.startswith("pyg")]
        seconds = self._seconds_on_a_tenth(work, paths)
        best = min(seconds, key=seconds.__getitem__)
        chosen = {PLAIN, best if seconds[best] < FASTER * seconds[PLAIN] else PLAIN}
        return [name for name in names if name in chosen or name not in paths]

    def probes(self, work: LayerWork, sides: Sequence[str]) -> dict[str, Probe]:
        """Call each side once, forward and backward, for its memory and its error."""
        return {side: self._probe(work, side, "forward_backward") for side in sides}

    def forward_probes(self, work: LayerWork, both: Mapping[str, Probe]) -> dict[str, Probe]:
        """Probe the forward pass of the sides whose forward and backward passes failed.

        Of the others it is clear that it can be done.
        """
        return {
            side: Probe(status="completed", seconds=probe.seconds)
            if probe.status == "completed"
            else self._probe(work, side, "forward")
            for side, probe in both.items()
        }

    def rows(self, work: LayerWork, phase: Phase, probes: Mapping[str, Probe]) -> list[Row]:
        """Time the sides whose probe completed, in turn; return a row for every side."""
        timings = self._timings(work, phase, probes)
        rows = {side: self._row(work, phase, side, probe) for side, probe in probes.items()}
        return [
            with_times(row, timings[side], timings.get("ours")) if side in timings else row
            for side, row in rows.items()
        ]

    def _probe(self, work: LayerWork, side: str, phase: Phase) -> Probe:
        release_memory(self._device)  # the probe needs it
        if self._device.type != "cuda":
            return probe_in_process(work, side, phase, self._setup)
        return probe_here(work, side, phase, self._graph, self._device)

    def _seconds_on_a_tenth(self, work: LayerWork, names: Sequence[str]) -> dict[str, float]:
        part = self._graph.subgraph(torch.arange(self._graph.num_nodes) % 10 == 0)
        case = LayerCase(work, part, self._device)
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

    def _timings(
        self, work: LayerWork, phase: Phase, probes: Mapping[str, Probe]
    ) -> dict[str, Timing]:
        seconds = {name: p.seconds for name, p in probes.items() if p.seconds is not None}
        if not seconds:
            return {}
        case = LayerCase(work, self._graph, self._device)
        sides = [
            Side(name, partial(case.run, phase, SIDES[name](case)), warms_up=first_call < SLOW_S)
            for name, first_call in seconds.items()
        ]
        return alternate(
            sides,
            repeats=self._setup.repeats,
            budget_s=self._setup.budget_s,
            device=self._device,
        )

    def _row(self, work: LayerWork, phase: Phase, side: str, probe: Probe) -> Row:
        return Row(
            program=self._program,
            dataset=self._setup.graph_name,
            nodes=self._graph.num_nodes,
            edges=self._graph.num_edges,
            work=f"{work.name} {phase}",
            side=side,
            reference="ours",
            status=probe.status,
            note=probe.note,
            extra_mib=probe.extra_mib,
            output_error=probe.output_error,
            gradient_error=probe.gradient_error,
            floor_s=least_bytes(work, phase, self._graph) / self._bytes_per_s,
            copy_gb_s=self._bytes_per_s / 1e9,
            settings=json.dumps(asdict(work)),
        )
