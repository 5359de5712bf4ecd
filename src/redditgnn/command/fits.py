"""The table of `doctor`: which graphs fit in memory, by the same estimate that runs use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.parts import Parts
from redditgnn.runtime.measure import MIB

MODELS = ("sage", "gat")  # with their default settings
HEADS, HEAD_WIDTH, NUM_CLASSES = 8, 8, 41
USABLE = 0.9  # of a memory; the rest is CUDA's context, gaps of the allocator, other processes

Row = Sequence[str]

EXPLANATION = """\
  graph: features and adjacency. Then the peaks of full-batch training and of exact evaluation
  beyond it, on a CPU, estimated with the default settings; it fits if graph and training do.
  'redditgnn train --dry-run' estimates any run. messages: what a layer of attention that is not
  fused would add."""


class Size(NamedTuple):
    """Nodes, directed edges and features of a dataset."""

    num_nodes: int
    num_edges: int
    num_features: int


# As PyG's dataset classes load them, before self-loops are dropped.
SIZES = {
    "pubmed": Size(19_717, 88_648, 500),
    "reddit2": Size(232_965, 23_213_838, 602),
    "reddit": Size(232_965, 114_615_892, 602),
    "ogbn_products": Size(2_449_029, 123_718_280, 100),
}


def phantom_graph(size: Size) -> GraphData:
    """Return a graph of `size` that takes no memory, because all rows are one row."""
    nodes, edges, features = size
    mask = torch.ones(1, dtype=torch.bool).expand(nodes)
    return GraphData(
        name="phantom",
        x=torch.ones(1, 1).expand(nodes, features),
        rowptr=torch.zeros(1, dtype=torch.int64).expand(nodes + 1),
        col=torch.zeros(1, dtype=torch.int32).expand(edges),
        y=torch.zeros(1, dtype=torch.int64).expand(nodes),
        num_classes=NUM_CLASSES,
        train_mask=mask,
        val_mask=mask,
        test_mask=mask,
        fingerprint=Fingerprint("phantom"),
    )


def peaks_of(model: str, graph: GraphData) -> tuple[float, float]:
    """Estimate the peaks in MiB of full-batch training and of evaluation on a CPU."""
    settings = compose_settings([f"model={model}", "sampler=full", "device=cpu"])
    parts = Parts(settings, graph=graph)
    estimated = estimate_sampler(parts, parts.sampler)
    return estimated.training / MIB, estimated.testing / MIB


def memory_table(memories: dict[str, float]) -> list[Row]:
    """Compare the memory that each dataset needs with `memories`, in MiB."""
    columns = [f"{model} {phase}" for model in MODELS for phase in ("training", "evaluation")]
    head = ["dataset", "nodes", "edges", "graph", *columns, f"messages {HEADS}x{HEAD_WIDTH}"]
    rows: list[Row] = [[*head, *(f"fits {memory}" for memory in memories)]]
    for name, size in SIZES.items():
        graph = phantom_graph(size)
        graph_mib = graph.num_bytes / MIB
        peaks = [mib for model in MODELS for mib in peaks_of(model, graph)]
        amounts = [graph_mib, *peaks, size.num_edges * HEADS * HEAD_WIDTH * 4 / MIB]
        needed = graph_mib + max(peaks[::2])
        fits = ["yes" if needed <= USABLE * mib else "no" for mib in memories.values()]
        counts = [f"{size.num_nodes:,}", f"{size.num_edges:,}"]
        rows.append([name, *counts, *(f"{mib:,.0f}" for mib in amounts), *fits])
    return rows
