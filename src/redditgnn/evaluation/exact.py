"""Exact logits of all nodes: layer by layer, each layer in chunks of rows that fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int64, Integer, Real
from torch import Tensor

from redditgnn.graph.batch import Block
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows, to_dense
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.kernels.attention.coefficients import Coefficients, coefficient_listener
from redditgnn.model.base import LayeredModel
from redditgnn.model.propagation import Propagation
from redditgnn.runtime.memory import free_memory
from redditgnn.runtime.precision import Precision, at_least_float32, autocast
from redditgnn.sampler.base import (
    Listener,
)

LEAST_EDGES = 2**16  # smaller chunks take longer and save nothing
CUT_BYTES_PER_EDGE = 40  # cutting a chunk out of the graph: rows, positions, local indices


class EdgeAttention(NamedTuple):
    """Attention coefficients of some edges in one layer, on the CPU. Nodes are those of the graph.

    Every node also attends to itself, which the graph's edges do not list.
    """

    layer: int
    source: Int64[Tensor, " edges"]
    destination: Int64[Tensor, " edges"]
    alpha: Float[Tensor, "edges heads"]


EdgeListener = Callable[[EdgeAttention], None]


class ExactInference:
    """Computes the logits of every node of `graph` from all edges, without sampling.

    `chunk_edges`: the most edges to compute at once; None takes what half of the free memory
    holds. A graph that fits is one chunk, and stays on the device between calls. `precision`: what
    matrix products are computed in; the logits are float32.
    """

    def __init__(
        self,
        graph: GraphData,
        device: torch.device,
        *,
        chunk_edges: int | None,
        precision: Precision = "fp32",
    ) -> None:
        self._graph, self._device, self._chunk_edges = graph, device, chunk_edges
        self._precision = precision
        self._chunks: list[Chunk] = []
        self._listener: Listener | None = None
        self._edge_listener: EdgeListener | None = None

    def on(self, graph: GraphData) -> ExactInference:
        """Return the same inference on another graph."""
        return ExactInference(
            graph, self._device, chunk_edges=self._chunk_edges, precision=self._precision
        )

    @contextmanager
    def layer_hook(self, listener: Listener) -> Iterator[None]:
        """Let `listener` hear the states of the next call within; later calls tell nobody."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    @contextmanager
    def edge_hook(self, listener: EdgeListener) -> Iterator[None]:
        """Let `listener` hear the attention of every edge, layer by layer, in each call within."""
        self._edge_listener = listener
        try:
            yield
        finally:
            self._edge_listener = None

    @property
    def hook_was_called(self) -> bool:
        """Whether there was a call since the listener came."""
        return self._listener is None

    @torch.no_grad()
    def __call__(self, model: LayeredModel) -> Float[Tensor, "nodes classes"]:
        """Return the logits, on the CPU. `model` must be in evaluation mode."""
        with autocast(self._precision, self._device):
            logits = self._logits(model)
        self._listener = None
        return at_least_float32(logits).cpu()

    def _logits(self, model: LayeredModel) -> Float[Tensor, "nodes classes"]:
        chunks = self._chunks = self._chunks or self._cut(model)
        encoded = self._rows(chunks, partial(self._encode, model)) if model.reads_h0 else None
        states: list[Tensor] = []
        for index in range(model.num_layers):
            previous = states[-1] if states else None
            compute = partial(self._layer, model, index, previous, encoded)
            joined = self._rows(chunks, compute)
            if self._listener is not None:
                self._listener(index, joined)
            states = [*states, joined] if model.reads_every_layer else [joined]
        return model.decode([state.to(self._device) for state in states])

    def _rows(self, chunks: list[Chunk], compute: Callable[[Chunk], Tensor]) -> Tensor:
        """Compute the rows of all chunks, in their order. They are in memory once."""
        first = compute(chunks[0])
        if len(chunks) == 1:
            return first
        joined = first.new_empty(sum(chunk.num_rows for chunk in chunks), *first.shape[1:])
        joined[: len(first)] = first
        done = len(first)
        for chunk in chunks[1:]:
            joined[done : done + chunk.num_rows] = compute(chunk)
            done += chunk.num_rows
        return joined

    def _encode(self, model: LayeredModel, chunk: Chunk) -> Tensor:
        """Encode a chunk's own nodes, once for all layers that read them."""
        out = to_dense(model.encode(chunk.own_rows().to(self._device)))
        return out if chunk.is_whole else out.cpu()

    def _layer(
        self,
        model: LayeredModel,
        index: int,
        previous: Tensor | None,
        encoded: Tensor | None,
        chunk: Chunk,
    ) -> Tensor:
        rows, block = chunk.load()
        first = None if encoded is None else chunk.select(encoded)
        h: Tensor | Rows
        if previous is not None:
            h = chunk.select(previous)
        else:
            h = model.encode(rows.to(self._device)) if first is None else first
        with self._edges_heard(index, chunk):
            out = model.layer(index, h, block, h if first is None else first)
        return out if chunk.is_whole else out.cpu()

    def _edges_heard(self, index: int, chunk: Chunk) -> AbstractContextManager[None]:
        listener = self._edge_listener
        if listener is None:
            return nullcontext()

        def tell(piece: Coefficients) -> None:
            source, destination = (chunk.nodes(ids) for ids in (piece.col, piece.row))
            listener(EdgeAttention(index, source, destination, piece.alpha.cpu()))

        return coefficient_listener(tell)

    def _cut(self, model: LayeredModel) -> list[Chunk]:
        """Cut the rows, once: what is free changes while a run lasts, its rounding must not."""
        limit, degree = self.most_edges(model), self._graph.weighted_degree
        if limit is None:
            return [Chunk(self._graph, degree, self._device, None)]
        rows = chunk_rows(self._graph.rowptr, limit)
        return [Chunk(self._graph, degree, self._device, ids) for ids in rows]

    def most_edges(self, model: LayeredModel) -> int | None:
        """Return how many edges would be computed at once; None: all."""
        if model.whole_graph_only or self._fits(model):
            return None
        return self._chunk_edges or self._affordable_edges(model)

    def _fits(self, model: LayeredModel) -> bool:
        if self._chunk_edges is not None:
            return self._graph.num_edges <= self._chunk_edges
        needed = self._graph.num_edges * model.bytes_per_edge()
        needed += self._graph.num_nodes * model.bytes_per_node()
        if self._graph.rowptr.device != self._device:
            needed += self._graph.num_bytes_on_cuda
        return needed <= self._affordable_bytes()

    def _affordable_edges(self, model: LayeredModel) -> int:
        nodes = model.bytes_per_node() * self._graph.num_nodes // max(1, self._graph.num_edges)
        cost = model.bytes_per_edge() + CUT_BYTES_PER_EDGE + nodes
        return max(LEAST_EDGES, self._affordable_bytes() // cost)

    def _affordable_bytes(self) -> int:
        return free_memory(self._device) // 2


def precomputed(
    model: torch.nn.Module, graph: GraphData, device: torch.device, chunk_edges: int | None = None
) -> GraphData:
    """Return `graph` with the features that `model` makes of them once, before training.

    Most models make none. The rows of a step are computed in chunks, as in exact inference; what
    all steps give is held twice where the model keeps it. Half precision stays half precision.
    """
    propagation = cast(Propagation | None, model.propagation)
    if propagation is None:
        return graph
    source = with_labels_as_features(graph) if propagation.reads_labels else graph
    if isinstance(source.x, SparseFeatures):
        outputs = propagation.num_layers if propagation.reads_every_layer else 1
        source.x.check_room(source.num_nodes, tables=1 + outputs)
    x = ExactInference(source, device, chunk_edges=chunk_edges)(cast(LayeredModel, propagation))
    source.forget_copies()  # nobody reads the features on the device again
    return replace(graph, x=x.to(source.x.dtype))


def with_labels_as_features(graph: GraphData) -> GraphData:
    """Return `graph` with the classes of training nodes as rows of 0 and 1, zeros for others."""
    labels = torch.zeros(graph.num_nodes, graph.num_classes)
    node_ids = graph.train_mask.nonzero().view(-1)
    labels[node_ids, graph.y[node_ids]] = 1
    return replace(graph, x=labels)


class Chunk:
    """Some rows of the graph with all their in-edges; all rows if `node_ids` is None."""

    def __init__(
        self,
        graph: GraphData,
        degree: Real[Tensor, " nodes"],
        device: torch.device,
        node_ids: Int64[Tensor, " rows"] | None,
    ) -> None:
        self._graph, self._degree = graph, degree
        self._device, self._node_ids = device, node_ids
        self._sources = node_ids
        self._loaded: tuple[Rows, Block] | None = None
        self.is_whole = node_ids is None

    @property
    def num_rows(self) -> int:
        return self._graph.num_nodes if self._node_ids is None else len(self._node_ids)

    def load(self) -> tuple[Rows, Block]:
        """Return features of the sources, and the block; of the whole graph they are kept."""
        if self._loaded is not None:
            return self._loaded
        if self._node_ids is None:
            graph = self._graph.to(self._device)
            self._loaded = graph.rows(), self._block(graph.rowptr, graph.col, graph.edge_weight)
            return self._loaded
        self._sources, rowptr, col = self._graph.neighborhood(self._node_ids)
        weight = self._graph.weights_of_rows(self._node_ids)
        return self._graph.rows(self._sources), self._block(rowptr, col, weight)

    def _block(self, rowptr: Tensor, col: Tensor, weight: Tensor | None) -> Block:
        degree = self._degree if self._sources is None else self._degree[self._sources]
        rowptr, col, degree = (t.to(self._device) for t in (rowptr, col, degree))
        weight = None if weight is None else weight.to(self._device)
        return Block(rowptr, col, len(degree), degree, edge_weight=weight)

    def own_rows(self) -> Rows:
        """Return features of the nodes that the chunk computes, without those of their sources."""
        return self.load()[0] if self.is_whole else self._graph.rows(self._node_ids)

    def nodes(self, local_ids: Integer[Tensor, " ids"]) -> Int64[Tensor, " ids"]:
        """Return the nodes of the graph that local indices mean, on the CPU."""
        local_ids = local_ids.long().cpu()
        return local_ids if self._sources is None else self._sources.cpu()[local_ids]

    def select(self, h: Float[Tensor, "nodes width"]) -> Float[Tensor, "src width"]:
        """Pick the sources' rows out of the states of all nodes."""
        return h if self.is_whole else h[self._sources].to(self._device)


def chunk_rows(
    rowptr: Int64[Tensor, " nodes_plus_1"], max_edges: int
) -> Iterator[Int64[Tensor, " rows"]]:
    """Cut the rows into runs of at most `max_edges` edges; a longer row is a run of its own."""
    num_rows, start = len(rowptr) - 1, 0
    while start < num_rows:
        stop = int(torch.searchsorted(rowptr, rowptr[start] + max_edges, right=True)) - 1
        stop = min(max(stop, start + 1), num_rows)
        yield torch.arange(start, stop)
        start = stop
