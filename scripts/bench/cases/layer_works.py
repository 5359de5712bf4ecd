"""The layers that are measured: how each is made by redditgnn, and what it costs at least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from redditgnn.graph.data import GraphData
from scripts.bench.cases import floors

Phase = Literal["forward", "forward_backward"]


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """A layer of `heads` x `channels` outputs that reads `in_channels`; `kind` is one of KINDS."""

    name: str
    kind: str
    in_channels: int = 64
    heads: int = 1
    channels: int
    attention_dropout: float = 0.0

    @property
    def out_channels(self) -> int:
        """Numbers in a row of the output."""
        return self.heads * self.channels


@dataclass(frozen=True)
class Kind:
    """A model of redditgnn, whether its equation has self-loops, and the bytes it must move."""

    model: str
    overrides: Callable[[LayerWork], list[str]]
    loops: bool
    bytes: Callable[[floors.Shape], floors.Bytes]


def _attention(work: LayerWork) -> list[str]:
    return [f"model.heads={work.heads}", f"model.attention_dropout={work.attention_dropout}"]


def _no_overrides(work: LayerWork) -> list[str]:
    return []


KINDS = {
    "gat": Kind("gat", _attention, loops=True, bytes=floors.gat_bytes),
    "gatv2": Kind("gatv2", _attention, loops=True, bytes=floors.gatv2_bytes),
    "sage": Kind("sage", _no_overrides, loops=False, bytes=floors.aggregation_bytes),
    "gcn": Kind("gcn", _no_overrides, loops=True, bytes=floors.aggregation_bytes),
    "pna": Kind("pna", _no_overrides, loops=False, bytes=floors.pna_bytes),
}
WORKS = {
    work.name: work
    for work in (
        LayerWork(name="gat 8x8", kind="gat", heads=8, channels=8),
        LayerWork(name="gatv2 8x8", kind="gatv2", heads=8, channels=8),
        LayerWork(name="sage 64", kind="sage", channels=64),
        LayerWork(name="gcn 64", kind="gcn", channels=64),
        LayerWork(name="pna 64", kind="pna", channels=64),
        LayerWork(name="sage 256", kind="sage", in_channels=256, channels=256),
        LayerWork(name="gcn 256", kind="gcn", in_channels=256, channels=256),
        LayerWork(name="gat 1x256", kind="gat", channels=256),
        LayerWork(name="gatv2 1x256", kind="gatv2", channels=256),
        LayerWork(
            name="gat 8x8 dropout 0.6", kind="gat", heads=8, channels=8, attention_dropout=0.6
        ),
        LayerWork(
            name="gatv2 8x8 dropout 0.6", kind="gatv2", heads=8, channels=8, attention_dropout=0.6
        ),
    )
}


def least_bytes(work: LayerWork, phase: Phase, graph: GraphData) -> int:
    """Return the bytes that the work must move (floors.py)."""
    kind = KINDS[work.kind]
    edges = graph.num_edges + (graph.num_nodes if kind.loops else 0)
    shape = floors.Shape(graph.num_nodes, edges, work.in_channels, work.heads, work.channels)
    both = kind.bytes(shape)
    return both.forward if phase == "forward" else both.forward_backward
