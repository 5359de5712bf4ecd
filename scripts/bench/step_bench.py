"""What the pieces of work of scripts.bench.step share: graph, options, training settings, rows."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from redditgnn.graph import GraphData
from scripts.bench.cases.training import OurTraining, first_targets
from scripts.bench.layer_probe import limit_memory
from scripts.bench.peers.pyg_training import (
    PeerModel,
    PeerTraining,
    best_num_workers,
    pyg_data,
    sage_convs,
)
from scripts.bench.rows.row import Row, Sheet, dataset_name, load_graph, timed
from scripts.bench.timing.alternate import Memory, Side, alternate, memory_of

FANOUTS, BATCH_SIZE, HIDDEN, DROPOUT, LR = [25, 10], 1024, 256, 0.5, 0.01
TUNING_BATCHES = 4
SAMPLED = (
    "sampler=neighbor",
    f"sampler.num_neighbors={FANOUTS}".replace(" ", ""),
    f"sampler.batch_size={BATCH_SIZE}",
    f"optimizer.lr={LR}",
    "optimizer.weight_decay=0.0",
    f"model.hidden_channels={HIDDEN}",
    f"model.dropout={DROPOUT}",
)
ATTENTION = ("model.heads=8", "model.out_heads=1", "model.attention_dropout=0.0")
Losses = Mapping[str, list[float]]


class StepBench:
    """What the pieces of work share: the graph, the options, and how rows are made."""

    def __init__(self, options: argparse.Namespace, sheet: Sheet, folder: Path) -> None:
        self.options, self.folder = options, folder
        self._sheet = sheet
        self.device = torch.device(options.device)
        self.graph = load_graph(options.dataset, options.scale, options.data_dir)
        limit_memory(self.device, options.memory_limit_gib)

    @cached_property
    def data(self) -> Any:
        """The graph as PyG's loaders take it."""
        return pyg_data(self.graph)

    @cached_property
    def train_graph(self) -> GraphData:
        """The graph with as many training nodes as make `--batches` batches; 0 leaves all."""
        num_targets = self.options.batches * BATCH_SIZE
        return first_targets(self.graph, num_targets) if num_targets else self.graph

    @cached_property
    def num_workers(self) -> tuple[int, str]:
        """The best number of worker processes for PyG's loader, and how it was found."""
        if self.options.num_workers is not None:
            return self.options.num_workers, "num_workers as given"
        graph = first_targets(self.graph, TUNING_BATCHES * BATCH_SIZE)

        def make(number: int) -> Callable[[], None]:
            model = PeerModel(sage_convs(self.widths), F.relu, DROPOUT)
            return self.peer(graph, model, num_workers=number).epoch

        return best_num_workers(make, len(os.sched_getaffinity(0)))

    @property
    def widths(self) -> tuple[int, int, int]:
        """Features, hidden states, classes."""
        return self.graph.spec.num_features, HIDDEN, self.graph.num_classes

    def peer(self, graph: GraphData, model: PeerModel, **options: Any) -> PeerTraining:
        """Return the training that a user of PyG writes."""
        return PeerTraining(
            graph,
            self.data,
            model,
            num_neighbors=FANOUTS,
            batch_size=BATCH_SIZE,
            lr=LR,
            device=self.device,
            **options,
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
    ) -> dict[str, str]:
        """Measure memory, then time; write a row a side, return the status of each.

        The first side is the reference.

        `losses` are lists that the sides append to; `error` gives that of a side's last result.
        """
        memory_of(sides[0], self.device)  # compiles what there is to compile: not to be counted
        memory = {side.name: memory_of(side, self.device) for side in sides}
        timings = alternate(
            sides,
            repeats=self.options.repeats,
            budget_s=self.options.budget_s,
            warmup=0,
            device=self.device,
        )
        last = min(map(len, losses.values())) - 1 if losses else None  # all have come that far
        for side in sides:
            row = self._row(work, side.name, sides[0].name, memory[side.name])
            row = timed(row, timings[side.name], timings[sides[0].name])
            row = replace(row, settings=json.dumps(settings), note=row.note or note)
            if row.status == "completed" and losses:
                row = replace(row, train_loss=losses[side.name][last])
            if row.status == "completed" and error:
                row = replace(row, output_error=error(side.name))
            self._sheet.write(row)
        return {name: "oom" if it.out_of_memory else "completed" for name, it in timings.items()}

    def _row(self, work: str, side: str, reference: str, memory: Memory | None) -> Row:
        return Row(
            program="step",
            dataset=dataset_name(self.options.dataset, self.options.scale),
            nodes=self.graph.num_nodes,
            edges=self.graph.num_edges,
            work=work,
            side=side,
            reference=reference,
            extra_mib=memory and memory.extra_mib,
            peak_mib=memory and memory.peak_mib,
        )
