"""Which mode of `parallel` suits a run, and why: the rules of docs/parallel.md."""

from __future__ import annotations

from redditgnn.config.settings import Settings
from redditgnn.distributed.balance import Balance
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import Estimate
from redditgnn.runtime.measure import MIB

SAMPLED = "parallel=data with sampler=neighbor"


def advise_data(settings: Settings) -> str:
    """Return the advice for a run with `parallel=data`."""
    if settings.choices["sampler"] == "full":
        return (
            f"{SAMPLED}, or parallel=partition for the gradient of the whole graph: sampler=full "
            "has one batch an epoch, and all processes but one wait"
        )
    return "parallel=data: each process builds its own batches, and only gradients travel"


def advise_parts(graph: GraphData, balance: Balance, estimated: Estimate, free: int) -> str:
    """Return the advice for a run with `parallel=partition`; `free` is memory in bytes."""
    need = whole_step(graph, estimated)
    size = f"a step on the whole graph takes about {need / MIB:,.0f} MiB of {free / MIB:,.0f} free"
    if need <= free:
        return f"{SAMPLED}: {size}, and sampling is faster where one process holds the graph"
    halo = sum(balance.halo) / graph.num_nodes
    advice = f"parallel=partition: {size}"
    if halo > 1:
        advice += (
            f"; its halos have {halo:.1f} rows a node, so use parallel.boundary_rate=0.1 where few "
            "bytes a second travel"
        )
    return advice


def whole_step(graph: GraphData, estimated: Estimate) -> int | float:
    """Return the bytes that one process would take for all nodes and edges."""
    step = estimated.per_node * graph.num_nodes + estimated.per_edge * graph.num_edges
    return estimated.training - estimated.step + step
