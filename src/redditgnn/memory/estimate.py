"""How much memory a run will take, before it takes it.

A training step and an evaluation are done in miniature (`redditgnn.memory.miniature`), with the
run's own model, optimizer and kernels, and every tensor that comes and goes is counted at the size
that it has in the run. So the estimate knows no model by name. What the program is before it trains
(torch, compiled code, a CUDA context) comes on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from redditgnn.distributed.exchange import ExactHalo
from redditgnn.evaluation.exact import CUT_BYTES_PER_EDGE, ExactInference
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import SparseFeatures, dense_bytes
from redditgnn.histories.table import HistoryTable
from redditgnn.memory.miniature import Shape, Sizes, shape_of, small_batch, small_graph
from redditgnn.memory.trace import TensorTrace, tensor_bytes
from redditgnn.model.base import LayeredModel
from redditgnn.parts import Parts
from redditgnn.runtime.measure import MIB
from redditgnn.sampler.base import Sampler, preserved_position
from redditgnn.trainer.epoch import DEPTH


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of what a run holds, and of what each phase adds while it lasts.

    Attributes:
        weights: Parameters, buffers and the optimizer's state.
        histories: Of `sampler=gas`, wherever it keeps them.
        exchanged: What layers give of a node to histories, or to other processes.
        batches: Those that exist at once, except what is the graph's own; on CUDA with that.
        precomputed: What takes the place of the features, see `evaluation.exact.precomputed`.
        step: Activations, gradients and temporaries of a training step, at their peak.
        left: What of that stays: gradients, and what the only batch of all epochs keeps.
        per_node, per_edge: What a node and an edge of the batch add to that.
        evaluation: What exact inference adds, with `chunk_edges` at once (None: all of them).
        graph: Features and adjacency, memory-mapped where a cache holds them.
    """

    num_parameters: int
    weights: int | float
    histories: int | float
    exchanged: int | float
    batches: int | float
    precomputed: int | float
    step: int | float
    left: int | float
    per_node: int | float
    per_edge: int | float
    evaluation: int | float
    chunk_edges: int | None
    graph: int | float

    @property
    def held(self) -> int | float:
        """Bytes between the phases."""
        return self.weights + self.histories + self.batches + self.precomputed

    @property
    def training(self) -> int | float:
        """Bytes at the peak of a training step."""
        return self.held + self.step

    @property
    def testing(self) -> int | float:
        """Bytes at the peak of validation and test."""
        return self.held + self.left + self.evaluation


def estimate(parts: Parts, batch: Batch, num_batches: int) -> Estimate:
    """Estimate a run of `parts` whose epochs are `num_batches` batches like `batch`.

    The graphs of `parts` hold the features of the dataset. Torch's random numbers stay what they
    were.
    """
    graph, train_graph, device = parts.graph, parts.train_graph, parts.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        mini = Miniature(parts)
        sizes = Sizes(shape_of(batch), mini.reserved)
        trace = mini.step(batch, sizes)
        limit = mini.inference(graph).most_edges(mini.model)
        evaluation = mini.evaluation(graph, limit)
    step = partial(_peak, trace, sizes)
    is_part = isinstance(batch.histories, ExactHalo)  # the only batch of this process
    num_batches = 1 if is_part else num_batches
    num_edges = max(sizes.real.edges, default=0)
    on_gpu, whole = device.type == "cuda", len(batch.node_ids) == train_graph.num_nodes
    if on_gpu and limit is None and not whole:
        evaluation += graph.num_bytes_on_cuda
    coming = 1 if num_batches == 1 else DEPTH + 1
    return Estimate(
        num_parameters=sum(parameter.numel() for parameter in mini.model.parameters()),
        weights=tensor_bytes(mini.held),
        histories=mini.histories * train_graph.num_nodes if not is_part else 0.0,
        exchanged=mini.histories,
        batches=coming * tensor_bytes(tensors_of(batch), () if on_gpu else tensors_of(train_graph)),
        precomputed=mini.copies * dense_bytes(train_graph.x) if mini.model.propagation else 0.0,
        step=step(),
        left=trace.left(sizes.counted_as()) if num_batches == 1 else 0.0,
        per_node=(step(nodes=1.01) - step()) / (0.01 * sizes.real.nodes),
        per_edge=(step(edges=1.01) - step()) / (0.01 * num_edges) if num_edges else 0.0,
        evaluation=evaluation,
        chunk_edges=limit,
        graph=graph.num_bytes,
    )


def estimate_sampler(parts: Parts, sampler: Sampler) -> Estimate:
    """Estimate as `estimate`, by the next batch of `sampler`, which will draw it again."""
    with torch.random.fork_rng([]), preserved_position(sampler):
        batch = next(iter(sampler))
    return estimate(parts, batch, len(sampler))


def in_one_line(estimated: Estimate, free: int) -> str:
    """Word an estimate, beside the bytes that are `free`, in one line."""
    return (
        f"estimate: a training step takes {estimated.training / MIB:,.0f} MiB "
        f"({estimated.per_node:,.0f} bytes a node, {estimated.per_edge:,.0f} an edge), "
        f"evaluation {estimated.testing / MIB:,.0f}; {free / MIB:,.0f} are free"
    )


class Miniature:
    """A model and its optimizer, made to compute on small graphs and be thrown away.

    Attributes:
        reserved: Numbers that a small size must not divide.
        copies: How many times as wide as the graph's the features are that the model reads.
        histories: Bytes a node of what layers leave in histories.
    """

    def __init__(self, parts: Parts) -> None:
        self._trainer, self._device, self.histories = parts.trainer, parts.device, 0.0
        small = parts.anew(parts.settings)
        self.model, self._optimizer = small.model, small.optimizer
        self.copies = _copies_of_features(self.model)
        self._width = self.copies * parts.train_graph.x.shape[1]
        numbers = [parameter.numel() for parameter in self.model.parameters()]
        self.reserved = [*numbers, self._width, parts.train_graph.num_classes]

    @property
    def held(self) -> list[Any]:
        """What exists between steps."""
        state = [value for held in self._optimizer.state.values() for value in held.values()]
        return [*self.model.parameters(), *self.model.buffers(), *state]

    def step(self, batch: Batch, sizes: Sizes) -> TensorTrace:
        """Trace the second step: the first compiles, and makes what is kept."""
        table = HistoryTable(sizes.small.nodes, self._device)
        for _ in range(2):
            small = self._small(batch, sizes)
            if batch.histories is not None:
                small = replace(small, histories=batch.histories.with_states_of(table))
            states = table.states.values()
            self.histories = tensor_bytes(states) / sizes.small.nodes
            trace = TensorTrace([*self.held, *tensors_of(small), *states])
            self.model.train()
            with trace:
                self._trainer.step(self.model, self._optimizer, small)
        return trace

    def evaluation(self, graph: GraphData, limit: int | None) -> float:
        """Return the bytes that inference takes on `graph`, with at most `limit` edges at once."""
        layers = self.model.num_layers
        edges = min(graph.num_edges, limit or graph.num_edges)
        real = Shape(
            nodes=graph.num_nodes, rows=(graph.num_nodes,) * layers, edges=(edges,) * layers
        )
        sizes = Sizes(real, self.reserved)
        small = small_graph(graph, sizes)
        small = replace(small, x=self._features(small)).to(self._device)
        sparse = small.rows().sparse
        sizes.entries = 0 if sparse is None else len(sparse.values)
        for _ in range(2):
            trace = TensorTrace([*self.held, *tensors_of(small)])
            with trace:
                self.inference(small)(self.model.eval())
        cut = 0 if limit is None else limit * CUT_BYTES_PER_EDGE
        return trace.peak(sizes.counted_as()) + cut

    def inference(self, graph: GraphData) -> ExactInference:
        """Return what evaluates on `graph` in the run."""
        chunk, precision = self._trainer.eval_chunk_edges, self._trainer.precision
        return ExactInference(graph, self._device, chunk_edges=chunk, precision=precision)

    def _small(self, batch: Batch, sizes: Sizes) -> Batch:
        """Return a small batch, with features as wide as those that the model reads."""
        small = small_batch(batch, sizes)
        if small.features.shape[1] != self._width:
            table = torch.ones(sizes.small.nodes, self._width)
            rows = None if batch.features.node_ids is None else small.node_ids
            small = replace(small, features=Rows(table, rows))
        return small.to(self._device)

    def _features(self, small: GraphData) -> Tensor | SparseFeatures:
        """Return what the model reads in place of the features; the values mean nothing."""
        return small.dense_x.repeat(1, self.copies) if self.model.propagation else small.x


def tensors_of(holder: GraphData | Batch) -> list[Tensor]:
    """Return the tensors of a graph or a batch, and what its lazy features lie in."""
    values = [getattr(holder, name) for name in holder.__dataclass_fields__]
    table = holder.features.table if isinstance(holder, Batch) else holder.x
    if isinstance(holder, Batch):
        values.append(holder.features.node_ids)
    values += table.tensors if isinstance(table, SparseFeatures) else [table]
    return [value for value in values if isinstance(value, Tensor)]


def _peak(trace: TensorTrace, sizes: Sizes, nodes: float = 1.0, edges: float = 1.0) -> float:
    """Return the peak of `trace` at the real sizes, or if those were so many times as large."""
    real = Shape(
        nodes=round(nodes * sizes.real.nodes),
        rows=tuple(round(nodes * rows) for rows in sizes.real.rows),
        edges=tuple(round(edges * number) for number in sizes.real.edges),
    )
    return trace.peak(sizes.counted_as(real))


def _copies_of_features(model: nn.Module) -> int:
    """Return how many times as wide as the graph's the features are that `model` reads."""
    propagation: LayeredModel | None = getattr(model, "propagation", None)
    if propagation is None or not propagation.reads_every_layer:
        return 1
    return propagation.num_layers
