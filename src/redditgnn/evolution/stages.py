"""A graph at the times that are looked at: its snapshots, without repeated edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Bool
from numpy import ndarray

from redditgnn.graph.data import GraphData
from redditgnn.graph.timeline import Window
from redditgnn.graph.times import merge_repeated, snapshot
from redditgnn.partition.adjacency import Adjacency, undirected


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The snapshot of a window.

    Attributes:
        graph: All nodes, and each edge of the window once. All count alike if the edges of the
            whole graph do.
        active: The nodes that have such an edge, or came in the window.
        adjacency: The edges in both directions.
        num_entries: Edges of the window as the graph holds them, with those that are repeated.
    """

    window: Window
    graph: GraphData
    active: Bool[ndarray, " nodes"]
    adjacency: Adjacency
    num_entries: int

    @property
    def num_nodes(self) -> int:
        """Number of active nodes."""
        return int(self.active.sum())

    @property
    def num_edges(self) -> int:
        """Number of pairs of nodes that an edge joins, in whichever direction."""
        return len(self.adjacency.col) // 2


def stage_of(graph: GraphData, window: Window) -> Stage:
    """Cut out the edges of `window`.

    Raises:
        DataError: the graph has no times.
        ConfigError: Numba does not work here.
    """
    cut = snapshot(graph, window)
    simple = merge_repeated(cut.graph, counts=False)
    return Stage(
        window=window,
        graph=simple,
        active=cut.active.numpy(),
        adjacency=undirected(simple),
        num_entries=cut.graph.num_edges,
    )


def parts(windows: Sequence[Window], *, cumulative: bool) -> list[Window]:
    """Return the windows, or for each all times up to its end."""
    return [Window(windows[0].start, w.end) if cumulative else w for w in windows]


def stages(
    graph: GraphData, windows: Sequence[Window], *, cumulative: bool
) -> Iterator[tuple[Stage, Stage]]:
    """Yield the stage of each window, and that of all times up to its end.

    `cumulative`: the first has the edges of the second.
    """
    for window, until in zip(windows, parts(windows, cumulative=True), strict=True):
        whole = replace(stage_of(graph, until), window=window)
        yield (whole if cumulative or window == until else stage_of(graph, window)), whole
