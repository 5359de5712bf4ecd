"""Parts for samplers: METIS (Karypis and Kumar 1998) or Leiden, cached; random; in node order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from redditgnn.errors import ConfigError, require
from redditgnn.graph.data import GraphData
from redditgnn.graph.undirected import symmetric_csr
from redditgnn.partition import metis
from redditgnn.partition.balance import leiden_parts
from redditgnn.runtime.files import whole_file
from redditgnn.runtime.memory import GIB, free_memory

log = logging.getLogger(__name__)
Cut = Literal["metis", "random", "order"]


def parts_of(
    graph: GraphData, num_parts: int, partition: Literal["metis", "leiden"] = "metis"
) -> list[Int64[Tensor, " part"]]:
    """Cut the graph into `num_parts` parts of about equal size with few edges between them.

    Returns:
        The node ids of each part, without the empty parts that METIS may give on tiny graphs.
    """
    check_num_parts(graph, num_parts)
    part = torch.from_numpy(_load_or_compute(graph, num_parts, partition))
    order = part.argsort(stable=True)
    sizes = torch.bincount(part, minlength=num_parts)
    return [ids for ids in order.split(sizes.tolist()) if len(ids)]


def owners_of(
    graph: GraphData, num_ranks: int, partition: Cut, seed: int
) -> Int64[Tensor, " nodes"]:
    """Return the rank that owns each node.

    `metis`: ranks have equally many edges, and few nodes that other ranks read. `random`: equally
    many nodes, drawn from `seed`. `order`: equally many successive nodes. A rank may own none.
    """
    if partition == "metis":
        return torch.from_numpy(_load_or_compute(graph, num_ranks, "metis-volume"))
    owners = torch.arange(graph.num_nodes) * num_ranks // graph.num_nodes
    if partition == "random":
        generator = torch.Generator().manual_seed(seed)
        return owners[torch.randperm(graph.num_nodes, generator=generator)]
    return owners


def random_parts(
    graph: GraphData, num_parts: int, generator: torch.Generator
) -> list[Int64[Tensor, " part"]]:
    """Split the nodes at random into `num_parts` parts whose sizes differ by at most one."""
    check_num_parts(graph, num_parts)
    permutation = torch.randperm(graph.num_nodes, generator=generator)
    return [ids.sort().values for ids in permutation.tensor_split(num_parts)]


def contiguous_parts(graph: GraphData, num_parts: int) -> list[Int64[Tensor, " part"]]:
    """Cut the sequence of node ids into `num_parts` ranges whose sizes differ by at most one."""
    check_num_parts(graph, num_parts)
    return list(torch.arange(graph.num_nodes).tensor_split(num_parts))


def check_num_parts(graph: GraphData, num_parts: int) -> None:
    """Refuse more parts than nodes."""
    suggestion = max(1, graph.num_nodes // 100)
    require(
        1 <= num_parts <= graph.num_nodes,
        f"sampler.num_parts must be in [1, {graph.num_nodes}] (the nodes to train on), "
        f"got {num_parts}; try sampler.num_parts={suggestion} "
        f"sampler.batch_size={max(1, suggestion // 10)}",
    )


def _load_or_compute(graph: GraphData, num_parts: int, partition: str) -> np.ndarray:
    computations: dict[str, Callable[[GraphData, int], np.ndarray]] = {
        "metis": _compute_metis,
        "metis-volume": partial(_compute_metis, objective="volume"),
        "leiden": leiden_parts,
    }
    compute = computations[partition]
    if graph.cache_dir is None:
        return compute(graph, num_parts)
    edges = graph.fingerprint.edges.replace(":", "-")  # a partition depends on nothing else
    path = graph.cache_dir / f"{partition}-{num_parts}-{edges}.npy"
    part = _load_partition(path, graph.num_nodes)
    if part is None:
        part = compute(graph, num_parts)
        _save_partition(path, part)
    return part


def _load_partition(path: Path, num_nodes: int) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        part = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        part = np.empty(0, np.int64)
    if part.shape == (num_nodes,) and part.min() >= 0:
        return part
    log.warning("the partition %s is damaged and is computed again", path)
    return None


def _save_partition(path: Path, part: np.ndarray) -> None:
    try:
        with whole_file(path, shared=True) as file:
            np.save(file, part)
    except OSError as error:
        log.warning("the partition could not be saved: %s", error)


NEEDS_METIS: dict[metis.Objective, tuple[str, str]] = {  # what, and the way out
    "cut": ("sampler=cluster and sampler=gas need", "sampler.partition=leiden, random or order"),
    "volume": ("parallel.partition=metis needs", "parallel.partition=random or order"),
}


def _compute_metis(
    graph: GraphData, num_parts: int, objective: metis.Objective = "cut"
) -> np.ndarray:
    if num_parts == 1:
        return np.zeros(graph.num_nodes, np.int64)
    folder = graph.writable_cache_dir
    _warn_of_memory(graph.num_edges, free_memory(torch.device("cpu")), NEEDS_METIS[objective][1])
    try:
        return metis.partition(*symmetric_csr(graph), num_parts, folder, objective)
    except ImportError as error:
        what, way_out = NEEDS_METIS[objective]
        raise ConfigError(
            f"{what} METIS, and pymetis is not installed: pip install pymetis ({way_out} needs "
            "none)"
        ) from error


def _warn_of_memory(num_edges: int, free: int, way_out: str) -> None:
    """Warn if METIS needs more than `free` bytes."""
    needed = num_edges * metis.BYTES_PER_EDGE
    if needed > free:
        log.warning(
            "METIS takes about %.1f GiB for %s edges, and %.1f GiB are free; if it fails, use %s",
            needed / GIB,
            f"{num_edges:,}",
            free / GIB,
            way_out,
        )
