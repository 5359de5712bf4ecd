"""Graphs of growing size, cut into parts of constant size.

Two families: `sbm`, of Reddit's density, whose edges between classes lead anywhere; and
`communities`, in which classes are of constant size and 1 % of the edges leave them.
"""

from __future__ import annotations

GRAPHS = {
    "sbm": "sbm, a quarter of the edges lead anywhere",
    "communities": "communities of 500 nodes, 1 % of the edges between",
}
REDDIT_NODES = 232_965
PART_NODES = 1165  # of the parts of Reddit that GNNAutoScale trains on: 232,965 nodes in 200
COMMUNITY_NODES = 500


def graph_overrides(graph: str, scale: float) -> list[str]:
    """Return the settings of a graph: in `communities` there are as many as its nodes allow."""
    overrides = ["dataset=sbm", f"dataset.scale={scale:g}"]
    if graph == "sbm":
        return overrides
    classes = max(2, round(REDDIT_NODES * scale / COMMUNITY_NODES))
    return [
        *overrides,
        "dataset.name=communities",
        f"dataset.num_classes={classes}",
        "dataset.class_skew=0.0",
        "dataset.homophily=0.99",
    ]


def num_parts(scale: float) -> int:
    """Return how many parts of about PART_NODES nodes a graph has."""
    return max(1, round(round(REDDIT_NODES * scale) / PART_NODES))
