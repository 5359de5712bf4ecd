"""Training steps over one graph: sides of the same work become rows."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.transforms import ToSparseTensor

from redditgnn.graph.data import GraphData
from scripts.bench.cases.exact_training import training_fault
from scripts.bench.cases.setup import Setup
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.peers.pyg_training import (
    PygModel,
    PygTraining,
    best_num_workers,
    pyg_data,
    sage_convs,
)
from scripts.bench.peers.reference import wrong_numbers
from scripts.bench.rows.row import Row, with_times
from scripts.bench.timing.alternate import Side, Timing, alternate
from scripts.bench.timing.memory import Memory, limit_memory, memory_of

FANOUTS, BATCH_SIZE, HIDDEN, DROPOUT, LR = [25, 10], 1024, 256, 0.5, 0.01
TUNING_BATCHES = 4
OPTIMIZER = (f"optimizer.lr={LR}", "optimizer.weight_decay=0.0")
SAMPLED = (
    "sampler=neighbor",
    f"sampler.num_neighbors={FANOUTS}".replace(" ", ""),
    f"sampler.batch_size={BATCH_SIZE}",
    *OPTIMIZER,
    f"model.hidden_channels={HIDDEN}",
    f"model.dropout={DROPOUT}",
)
TREE = tuple(each.replace("=neighbor", "=neighbor_tree") for each in SAMPLED)  # shapes are fixed
ATTENTION = ("model.heads=8", "model.out_heads=1", "model.attention_dropout=0.0")
SMALL_SCALE = 0.003  # of the graph on which trainings are compared with float64
Losses = Mapping[str, list[float]]


class FirstCall(NamedTuple):
    """The memory of a side's first call, None if it was not enough, and its seconds."""

    memory: Memory | None
    seconds: float


class StepBench:
    """What the pieces of work share: the graph, the training of each side, and how they compare.

    An epoch has `batches` batches (0: all). PyG's loaders get `num_workers` processes; None: as
    many as are fastest.
    """

    def __init__(
        self,
        setup: Setup,
        folder: Path,
        *,
        batches: int,
        num_workers: int | None,
        program: str = "step",
        patience_s: float = math.inf,
    ) -> None:
        self.setup, self.folder, self.device = setup, folder, setup.device
        self._program, self._batches, self._given_workers = program, batches, num_workers
        self._patience_s = patience_s
        self.graph = setup.load_graph()
        limit_memory(self.device, setup.memory_limit_gib)

    @cached_property
    def data(self) -> Data:
        """The graph as PyG's loaders take it."""
        return pyg_data(self.graph)

    @cached_property
    def train_graph(self) -> GraphData:
        """The graph with as many training nodes as an epoch needs."""
        num_targets = self._batches * BATCH_SIZE
        return first_targets(self.graph, num_targets) if num_targets else self.graph

    @cached_property
    def small_graph(self) -> GraphData:
        """A graph on which float64 takes no time."""
        return replace(self.setup, dataset="sbm", scale=SMALL_SCALE).load_graph()

    @cached_property
    def num_workers(self) -> tuple[int, str]:
        """The number of worker processes of PyG's loader, and how it was chosen."""
        if self._given_workers is not None:
            return self._given_workers, "num_workers as given"
        graph = first_targets(self.graph, TUNING_BATCHES * BATCH_SIZE)

        def epoch_with(number: int) -> Callable[[], None]:
            model = PygModel(sage_convs(self.widths), F.relu, DROPOUT)
            return self.pyg(graph, model, num_workers=number).epoch

        return best_num_workers(epoch_with, len(os.sched_getaffinity(0)))

    def at_scale(self, share: float) -> StepBench:
        """Return the same with a synthetic graph of a share of the nodes."""
        setup = replace(self.setup, scale=self.setup.scale * share)
        return StepBench(
            setup,
            self.folder,
            batches=self._batches,
            num_workers=self._given_workers,
            program=self._program,
            patience_s=self._patience_s,
        )

    @property
    def widths(self) -> tuple[int, int, int]:
        """Features, hidden states, classes."""
        return self.graph.spec.num_features, HIDDEN, self.graph.num_classes

    def pyg(
        self,
        graph: GraphData,
        model: PygModel,
        *,
        num_workers: int,
        transform: ToSparseTensor | None = None,
    ) -> PygTraining:
        """Return the training that a user of PyG writes."""
        return PygTraining(
            graph,
            self.data,
            model,
            num_neighbors=FANOUTS,
            batch_size=BATCH_SIZE,
            lr=LR,
            device=self.device,
            num_workers=num_workers,
            transform=transform,
        )

    def ours(self, overrides: Sequence[str], graph: GraphData | None = None) -> OurTraining:
        """Return the training that `redditgnn train` runs."""
        return OurTraining(graph or self.graph, overrides, self.device, self.folder)

    def faults(self, trainings: Mapping[str, Any]) -> dict[str, str]:
        """Return which of our trainings compute wrong losses on a small graph, and how wrong."""
        ours = {name: each for name, each in trainings.items() if isinstance(each, OurTraining)}
        faults = {
            name: training_fault(training, self.small_graph, self.folder)
            for name, training in ours.items()
            if not training.has_own_sampler
        }
        return {name: fault for name, fault in faults.items() if fault}

    def compare_epochs(
        self,
        work: str,
        trainings: Mapping[str, OurTraining | PygTraining],
        settings: dict[str, Any],
        note: str = "",
        faults: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Compare the epochs of several trainings, and their losses; ours with float64 first.

        Unless `faults` says already which of them are wrong.
        """
        faults = self.faults(trainings) if faults is None else faults
        sides = [Side(name, training.epoch) for name, training in trainings.items()]
        losses = {name: training.losses for name, training in trainings.items()}
        return self.compare(work, sides, settings, note, losses, faults=faults)

    def compare(
        self,
        work: str,
        sides: Sequence[Side],
        settings: dict[str, Any],
        note: str = "",
        losses: Losses | None = None,
        error: Callable[[str], float] | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> list[Row]:
        """Measure memory, then time; return a row for every side, of which the first is reference.

        `losses` are lists that the sides append to; `error` gives that of a side's first result.
        `faults` names sides with wrong numbers. Neither they nor sides with too large an error are
        timed. `settings` are read once everything is measured.
        """
        faults = dict(faults or {})
        right = [side for side in sides if side.name not in faults]
        calls = self._first_calls(right)
        errors = {name: error(name) for name in calls if error and calls[name].memory}
        faults |= {name: fault for name in errors if (fault := wrong_numbers(errors[name]))}
        timings = self._timings([side for side in right if side.name not in faults], calls)
        losses = losses or {}
        epochs = min((len(losses[name]) for name in timings if name in losses), default=0)
        rows = []
        for side in sides:
            memory = calls[side.name].memory if side.name in calls else None
            row = self.row(work, side.name, sides[0].name, memory)
            row = replace(row, settings=json.dumps(settings), output_error=errors.get(side.name))
            if side.name in faults:
                rows.append(replace(row, status="failed", note=faults[side.name]))
                continue
            row = with_times(row, timings[side.name], timings.get(sides[0].name))
            if row.status == "completed" and side.name in losses:
                row = replace(row, train_loss=losses[side.name][epochs - 1])
            rows.append(replace(row, note=row.note or note))
        return rows

    def _first_calls(self, sides: Sequence[Side]) -> dict[str, FirstCall]:
        """Call each side once for its memory. What the first one compiles does not count."""
        for side in sides[:1]:
            memory_of(side.call, self.device)
        calls = {}
        for side in sides:
            start = time.perf_counter()
            memory = memory_of(side.call, self.device)
            calls[side.name] = FirstCall(memory, time.perf_counter() - start)
        return calls

    def _timings(self, sides: Sequence[Side], calls: Mapping[str, FirstCall]) -> dict[str, Timing]:
        """Time the sides in turn; one slower than our patience has its first call's time."""
        slow = {
            side.name: Timing([calls[side.name].seconds])
            for side in sides
            if calls[side.name].memory and calls[side.name].seconds > self._patience_s
        }
        timings = alternate(
            [side for side in sides if side.name not in slow],
            repeats=self.setup.repeats,
            budget_s=self.setup.budget_s,
            warmup=0,
            device=self.device,
        )
        return timings | slow

    def row(self, work: str, side: str, reference: str, memory: Memory | None = None) -> Row:
        """Return a row of this graph without times."""
        return Row(
            program=self._program,
            dataset=self.setup.graph_name,
            nodes=self.graph.num_nodes,
            edges=self.graph.num_edges,
            work=work,
            side=side,
            reference=reference,
            extra_mib=memory and memory.extra_mib,
            peak_mib=memory and memory.peak_mib,
        )
