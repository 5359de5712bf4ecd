"""Render the table of docs/large-graphs.md: what ogbn-papers100M would take, by formula.

usage: python -m scripts.tables.large_graphs [--check]

--check only exits 1 if the file is stale. Nothing of that size is computed. What full-batch
training takes is estimated for a thousandth of the size, as `redditgnn train --dry-run` does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from redditgnn.command.fits import Size, phantom_graph
from redditgnn.config.compose import compose_settings
from redditgnn.graph.placement import BYTES_PER_NODE, RESERVED_SHARE
from redditgnn.memory.estimate import estimate_sampler
from redditgnn.partition import metis
from redditgnn.parts import Parts
from redditgnn.runtime.memory import GIB
from scripts import ROOT
from scripts.tables.documents import insert, table_row, update

DOCUMENT = Path("docs/large-graphs.md")
BEGIN, END = (
    "<!-- papers100M: made by scripts.tables.large_graphs -->",
    "<!-- end of papers100M -->",
)
PAPERS, CLASSES = Size(111_059_956, 1_615_685_872, 128), 172
TRAIN_NODES, BATCH_SIZE, FANOUTS, HIDDEN, LAYERS = 1_207_179, 1024, (15, 10, 5), 256, 3
HOST_GIB, GPU_GIB, MACHINES, SHARE = 62, 24, 4, 1000
ADJACENCY = 8 * PAPERS.num_nodes + 4 * PAPERS.num_edges
FP32 = 4 * PAPERS.num_features * PAPERS.num_nodes
STATES = 4 * HIDDEN * PAPERS.num_nodes  # of a layer
LEIDEN_BYTES_PER_EDGE = 18  # at its peak; as METIS, measured on sbm of 4 and 23 million edges
CONVERSION_BYTES_PER_EDGE = 46  # of dataset=files from .npy, measured on 4 and 16 million edges
USABLE_HOST, USABLE_GPU = 0.8 * HOST_GIB * GIB, (1 - RESERVED_SHARE) * GPU_GIB * GIB
HEADER = """\
| what | formula | GiB | where | one workstation |
| --- | --- | --- | --- | --- |"""
Place = Literal["disk", "page cache", "memory", "GPU"]


class Need(NamedTuple):
    """What takes `size` bytes somewhere, and how that is reckoned."""

    what: str
    formula: str
    size: float
    place: Place

    @property
    def line(self) -> str:
        """The row of the table."""
        amount = self.size / GIB
        text = f"{amount:,.1f}" if amount < 10 else f"{amount:,.0f}"
        return table_row(self.what, self.formula, text, self.place, self.verdict)

    @property
    def verdict(self) -> str:
        """Whether the workstation has it."""
        if self.place == "page cache":
            return "stays there" if self.size <= USABLE_HOST else "does not stay there"
        if self.place == "disk":
            return "yes"
        limit = USABLE_HOST if self.place == "memory" else USABLE_GPU
        return "yes" if self.size <= limit else "**no**"


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Rewrite or check the file of `root`; return the exit code."""
    remedy = "run python -m scripts.tables.large_graphs"
    return update("scripts.tables.large_graphs", remedy, render, argv, root)


def render(root: Path) -> dict[Path, str]:
    """Return the text of the file."""
    needs = [*stored(), *prepared(), *sampled(), *whole()]
    path = root / DOCUMENT
    return {path: insert("\n".join([HEADER, *(need.line for need in needs)]), path, BEGIN, END)}


def stored() -> list[Need]:
    """Return what a graph takes before anything is trained."""
    return [
        Need("adjacency", "8 N + 4 E", ADJACENCY, "page cache"),
        Need("features in fp32", "4 F N", FP32, "page cache"),
        Need("features in fp16", "2 F N", FP32 / 2, "page cache"),
        Need("adjacency and fp16 features", "", ADJACENCY + FP32 / 2, "page cache"),
        Need("adjacency and fp32 features", "", ADJACENCY + FP32, "page cache"),
        Need(
            "conversion of files",
            f"{CONVERSION_BYTES_PER_EDGE} E + 4 F N",
            CONVERSION_BYTES_PER_EDGE * PAPERS.num_edges + FP32,
            "memory",
        ),
    ]


def prepared() -> list[Need]:
    """Return what samplers compute before the first epoch."""
    nodes, edges, _ = PAPERS
    return [
        Need(
            f"parts by {name}, edges in both directions",
            f"{2 * cost} E",
            2 * cost * edges,
            "memory",
        )
        for name, cost in (("METIS", metis.BYTES_PER_EDGE), ("Leiden", LEIDEN_BYTES_PER_EDGE))
    ] + [Need("counts of `saint_rw`", "4 E + 4 N", 4 * edges + 4 * nodes, "memory")]


def sampled() -> list[Need]:
    """Return what training on batches takes."""
    nodes, _, width = PAPERS
    batch = 4 * width * BATCH_SIZE * hops()
    per_node = 11 + BYTES_PER_NODE
    return [
        Need("features of a batch, fp32", f"at most 4 F · 1,024 · {hops()}", batch, "GPU"),
        Need(
            "`feature_tier=packed` in an epoch",
            "at most the same, times 1,179 batches",
            -(-TRAIN_NODES // BATCH_SIZE) * batch,
            "disk",
        ),
        Need(
            "`feature_tier=pinned`, the graph",
            f"8 N + 4 E + {per_node} N",
            ADJACENCY + per_node * nodes,
            "GPU",
        ),
        Need(
            "`feature_tier=pinned`, features in fp16",
            "2 F N, up to a power of two",
            1 << (FP32 // 2 - 1).bit_length(),
            "memory",
        ),
        Need("histories of `gas`", "4 · 256 N (L - 1)", STATES * (LAYERS - 1), "memory"),
        Need("the same, `history_device=disk`", "", STATES * (LAYERS - 1), "disk"),
        Need("exact evaluation, hidden states", "2 · 4 · 256 N", 2 * STATES, "memory"),
        Need("exact evaluation, logits", "4 · 172 N", 4 * CLASSES * nodes, "memory"),
    ]


def whole() -> list[Need]:
    """Return what full-batch training takes, alone and in parts that read nothing of each other."""
    sage, gat = (full_batch(model) for model in ("sage", "gat"))
    parts = f"a quarter, of {MACHINES} machines"
    return [
        Need("a step of GraphSAGE, full batch", "estimated", sage, "memory"),
        Need("a step of GAT, full batch", "estimated", gat, "memory"),
        Need("GraphSAGE, `parallel=partition`", parts, sage / MACHINES, "memory"),
        Need("a part's file", parts, (FP32 + ADJACENCY) / MACHINES, "disk"),
    ]


def hops() -> int:
    """Return the largest number of nodes that a target's sampled neighbourhood has."""
    total, hop = 1, 1
    for fanout in FANOUTS:
        hop *= fanout
        total += hop
    return total


def full_batch(model: str) -> float:
    """Estimate the bytes of a step on the whole graph: activations grow with nodes and edges."""
    nodes, edges, width = PAPERS
    small = phantom_graph(Size(nodes // SHARE, edges // SHARE, width))
    words = [f"model={model}", "sampler=full", "device=cpu", f"model.num_layers={LAYERS}"]
    words += [f"model.hidden_channels={HIDDEN}"]
    parts = Parts(compose_settings(words), graph=replace(small, num_classes=CLASSES))
    return SHARE * float(estimate_sampler(parts, parts.sampler).step)


if __name__ == "__main__":
    sys.exit(main())
