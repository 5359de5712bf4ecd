"""Training steps over one graph: sides of the same work become rows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch.nn import functional as F
from torch_geometric.data import Data
from torch_geometric.transforms import ToSparseTensor

from redditgnn.graph.data import GraphData
from scripts.bench.cases.setup import Setup
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.peers.pyg_training import (
    PygModel,
    PygTraining,
    best_num_workers,
    pyg_data,
    sage_convs,
)
from scripts.bench.rows.row import Row, with_times
from scripts.bench.timing.alternate import Side, alternate
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
ATTENTION = ("model.heads=8", "model.out_heads=1", "model.attention_dropout=0.0")
Losses = Mapping[str, list[float]]


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
    ) -> None:
        self.setup, self.folder, self.device = setup, folder, setup.device
        self._program, self._batches, self._given_workers = program, batches, num_workers
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

    def compare(
        self,
        work: str,
        sides: Sequence[Side],
        settings: dict[str, Any],
        note: str = "",
        losses: Losses | None = None,
        error: Callable[[str], float] | None = None,
    ) -> list[Row]:
        """Measure memory, then time; return a row for every side, of which the first is reference.

        `losses` are lists that the sides append to; `error` gives that of a side's last result.
        `settings` are read once everything is measured.
        """
        memory_of(sides[0].call, self.device)  # compiles what has to be: it does not count
        memory = {side.name: memory_of(side.call, self.device) for side in sides}
        timings = alternate(
            sides,
            repeats=self.setup.repeats,
            budget_s=self.setup.budget_s,
            warmup=0,
            device=self.device,
        )
        epochs = min(map(len, losses.values())) if losses else 0  # that every side has trained
        rows = []
        for side in sides:
            row = self.row(work, side.name, sides[0].name, memory[side.name])
            row = with_times(row, timings[side.name], timings[sides[0].name])
            row = replace(row, settings=json.dumps(settings), note=row.note or note)
            if row.status == "completed" and losses:
                row = replace(row, train_loss=losses[side.name][epochs - 1])
            if row.status == "completed" and error:
                row = replace(row, output_error=error(side.name))
            rows.append(row)
        return rows

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
