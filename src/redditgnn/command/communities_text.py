"""What `redditgnn communities` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch

from redditgnn.command.doctor import align_columns
from redditgnn.graph.data import GraphData
from redditgnn.partition.adjacency import undirected
from redditgnn.partition.base import Method
from redditgnn.partition.results import Result, description_of_one, isolated_nodes
from redditgnn.runtime.measure import MIB
from redditgnn.runtime.memory import free_memory

MOST_ROWS = 10
FEW_NODES = 10
NODE_BYTES, EDGE_BYTES = 100, 18  # of a start; the second only where most edges join communities
COPY_BYTES = 24  # an edge of a directed graph, while its reverses are added
COLUMNS = {
    "community": "community",
    "size": "nodes",
    "inner_degree_share": "edges inside",
    "conductance": "conductance",
    "top_label": "top label",
    "purity": "share of it",
    "test_accuracy": "test accuracy",
    "test_error_share": "of all errors",
}


def describe_result(result: Result) -> str:
    """Return a few lines on the communities, and a table of the largest."""
    cost = "{cpu_s:.2f} CPU s, {beyond_graph_mib:,.1f} MiB besides the graph".format_map(
        result.cost
    )
    rows = [*result_facts(result), ("cost", cost)]
    return f"{align_columns(rows)}\n\n{_largest(result.table())}"


def result_facts(result: Result) -> list[tuple[str, str]]:
    """Return what the communities are like as a whole. It is the same in a repeated run."""
    best = result.communities.best
    sizes = best.blocks.sizes
    small = int((sizes < FEW_NODES).sum())
    return [
        ("graph", _describe_graph(result)),
        ("method", _describe_method(result)),
        (
            "communities",
            f"{len(sizes):,}, each connected; {small:,} of them have less than {FEW_NODES} nodes",
        ),
        ("modularity", f"{best.modularity:.4f} (1 at most; 0: as many edges inside as by chance)"),
        ("description", _describe_length(result)),
        *_comparison_rows(result),
        *_noise_rows(result),
    ]


def _describe_graph(result: Result) -> str:
    best, graph = result.communities.best, result.graph
    text = f"{graph.name}: {graph.num_nodes:,} nodes, {int(best.blocks.edges.sum() / 2):,} edges"
    if number := isolated_nodes(best):
        text += f", {number:,} nodes without any, which are communities of their own"
    if result.was_directed:
        text += "; it is directed, and an edge in either direction joins its ends here"
    return text


def _describe_method(result: Result) -> str:
    candidate, starts = result.communities.best.candidate, result.communities.starts
    text = str(result.method["name"])
    if candidate.resolution is not None:
        text += f", {result.method['objective']}, resolution {candidate.resolution:.4g}"
    number = len({start.candidate for start in starts})
    if number > 1:
        text += f" (the shortest description of {number})"
    if result.graph.edge_weight is not None:
        text += ", edges by their weight" if candidate.weighted else ", all edges count alike"
    return text


def _describe_length(result: Result) -> str:
    best = result.communities.best
    one = description_of_one(best)
    return f"{best.description_length:,.0f} nats ({one:,.0f} as a single community)"


def _comparison_rows(result: Result) -> list[tuple[str, str]]:
    compared = result.comparisons()
    if compared["labels"] is None:
        return [("labels", str(compared["note"]))]
    rows = [("beside labels", _describe_agreement(compared["labels"]))]
    if compared["unlabelled_nodes"]:
        rows[0] = (rows[0][0], f"{rows[0][1]}; {compared['unlabelled_nodes']:,} nodes have none")
    if "predictions" in compared:
        rows.append(("beside predictions", _describe_agreement(compared["predictions"])))
    return rows


def _describe_agreement(measures: dict[str, float]) -> str:
    text = "AMI {ami:.3f} (1: the same, 0: chance), NMI {nmi:.3f}, ARI {ari:.3f}, "
    return (text + "homogeneity {homogeneity:.3f}, completeness {completeness:.3f}").format_map(
        measures
    )


def _noise_rows(result: Result) -> list[tuple[str, str]]:
    agreement = result.communities.agreement
    if agreement is None:
        return []
    return [("beside other starts", f"AMI {agreement:.3f}: closer than this is noise")]


def _largest(table: pd.DataFrame) -> str:
    shown = table.head(MOST_ROWS)
    columns = {name: title for name, title in COLUMNS.items() if name in table}
    rows: list[Sequence[str]] = [tuple(columns.values())]
    rows += [tuple(map(_cell, row)) for row in shown[list(columns)].itertuples(index=False)]
    title = "" if len(table) <= MOST_ROWS else f"\n  and {len(table) - MOST_ROWS:,} smaller ones"
    return align_columns(rows) + title


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def describe_plan(graph: GraphData, name: str, method: Method) -> str:
    """Say what would be computed, and the memory that it takes."""
    adjacency = undirected(graph)
    number = len(method.candidates(adjacency))
    starts = number + method.restarts - 1
    threads = min(torch.get_num_threads(), max(number, method.restarts - 1))
    least = threads * NODE_BYTES * graph.num_nodes
    most = least + threads * EDGE_BYTES * graph.num_edges
    copied = COPY_BYTES * graph.num_edges if adjacency.was_directed else 0
    rows = [
        ("graph", f"{graph.name}: {graph.num_nodes:,} nodes, {graph.num_edges // 2:,} edges"),
        ("method", f"{name}, {starts} starts, {threads} at a time"),
        (
            "memory",
            f"{_mib(least + copied)} besides the graph, up to {_mib(most + copied)} if most "
            "edges join different communities",
        ),
        ("free", _mib(free_memory(torch.device("cpu")))),
    ]
    return align_columns(rows)


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"
