"""Placement of the graph and its features for training on CUDA.

- `device`: both are on the device, which also samples.
- `pinned`: the graph is on the device, which reads the features from page-locked host memory over
  the bus. The features of the nodes with most out-edges are cached on the device.
- `mmap`: both stay memory-mapped from disk. The background thread samples batches and gathers
  their features on the CPU. They are copied while the previous step is computed.
- `packed`: as `mmap`, but batches are drawn ahead, and their features are copied into a file in the
  order of use, see `redditgnn.graph.packed`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import FeatureTable, Rows
from redditgnn.graph.host_table import HostTable
from redditgnn.graph.sparse_features import dense_bytes
from redditgnn.runtime.memory import GIB, free_memory

Tier = Literal["device", "pinned", "mmap", "packed"]
FeatureTier = Literal["auto", "device", "pinned", "mmap", "packed"]

RESERVED_SHARE = 0.25  # of the device's free memory, left to training and evaluation
PINNED_SHARE = 0.5  # of the available host memory: others cannot use page-locked memory
BYTES_PER_NODE = 32  # for sampling and the cache's index, beside the graph

log = logging.getLogger(__name__)


class Demand(NamedTuple):
    """Bytes of the graph, of its features, of one row of them, and of all of them page-locked.

    The features are dense on a device. `pinned` is None if the host stores them sparse.
    """

    graph: int
    features: int
    row: int
    pinned: int | None


class Memory(NamedTuple):
    """Bytes that may be used, on the device without its reserve, and on the host."""

    device: int
    host: int


class Choice(NamedTuple):
    """A tier, the number of rows of features cached on the device, and the reason."""

    tier: Tier
    num_cached: int
    reason: str


class PlacedGraph(NamedTuple):
    """A graph with its CSR and labels where batches are sampled, and its features in `table`."""

    graph: GraphData
    table: Tensor | FeatureTable

    @property
    def device(self) -> torch.device:
        """The device that samples batches."""
        return self.graph.rowptr.device

    @property
    def is_on_cuda(self) -> bool:
        """Whether a CUDA device samples and reads features without the CPU."""
        reads_without_cpu = not isinstance(self.table, HostTable) or self.table.zero_copy
        return self.device.type == "cuda" and reads_without_cpu

    def rows(self, node_ids: Tensor) -> Rows:
        """Return features, lazy where reads are cheap. Rows over the bus are gathered now."""
        if isinstance(self.table, HostTable):
            return Rows(self.table.gather(node_ids))
        return Rows(self.table, node_ids)


def place(graph: GraphData, device: torch.device, tier: FeatureTier) -> PlacedGraph:
    """Put graph and features where `tier` says, or where they fit if it is auto.

    Raises:
        ConfigError: `tier` needs a CUDA device, or dense features.
    """
    if device.type != "cuda":
        require(
            tier != "pinned",
            "sampler.feature_tier=pinned needs device=cuda; use sampler.feature_tier=auto",
        )
        graph = graph.to(device)
        return PlacedGraph(graph, graph.x)
    demand = demand_of(graph)
    choice = choose_tier(tier, demand, memory_of(device))
    log.info(describe_choice(choice, demand))
    if choice.tier == "device":
        graph = graph.to(device)
        return PlacedGraph(graph, graph.x)
    if choice.tier in ("mmap", "packed"):
        return PlacedGraph(graph, graph.x)
    hot_ids = most_read_nodes(graph, choice.num_cached)
    zero_copy = find_spec("triton") is not None
    assert isinstance(graph.x, Tensor), "sparse features are never page-locked"
    table = HostTable(graph.x.pin_memory(), hot_ids, device, zero_copy=zero_copy)
    tensors = {name: getattr(graph, name) for name in ("rowptr", "col", "y", "edge_weight")}
    on_device = {name: t.to(device) for name, t in tensors.items() if t is not None}
    return PlacedGraph(replace(graph, **on_device), table)


def choose_tier(tier: FeatureTier, demand: Demand, memory: Memory) -> Choice:
    """Choose the tier that fits, and the number of cached rows if features stay on the host."""
    require(
        tier != "pinned" or demand.pinned is not None,
        "sampler.feature_tier=pinned needs dense features, and those of this dataset are stored "
        "sparse; use sampler.feature_tier=mmap: the CPU gathers dense rows of each batch",
    )
    free_bytes = memory.device - demand.graph
    num_cached = max(0, min(free_bytes, demand.features)) // max(1, demand.row)
    if tier != "auto":
        return Choice(tier, num_cached if tier == "pinned" else 0, "as sampler.feature_tier says")
    if demand.features <= free_bytes:
        return Choice("device", 0, "graph and features fit on the device")
    if free_bytes >= 0 and demand.pinned is None:
        return Choice("mmap", 0, "as a dense table the features do not fit on the device")
    if free_bytes >= 0 and demand.pinned is not None and demand.pinned <= memory.host:
        return Choice("pinned", num_cached, "the features do not fit on the device")
    reason = (
        "the graph does not fit on the device" if free_bytes < 0 else "nor in half of host memory"
    )
    if free_bytes >= 0:
        reason = f"the features fit neither on the device {reason}"
    return Choice("mmap", 0, reason)


def describe_choice(choice: Choice, demand: Demand) -> str:
    """Describe the placement and its reason in one line."""
    graph, features = (f"{size / GIB:.2f} GiB" for size in (demand.graph, demand.features))
    features += " when dense" if demand.pinned is None else ""
    cache_size = f"{choice.num_cached * demand.row / GIB:.2f} GiB of them cached on it"
    where = {
        "device": f"graph ({graph}) and features ({features}) are on the device",
        "pinned": f"graph ({graph}) is on the device, which reads features ({features}) from "
        f"page-locked host memory, {cache_size}",
        "mmap": f"graph ({graph}) and features ({features}) stay memory-mapped on the host",
        "packed": f"graph ({graph}) stays memory-mapped on the host, features ({features}) are "
        "packed on disk",
    }
    return f"feature_tier={choice.tier}: {where[choice.tier]}: {choice.reason}"


def demand_of(graph: GraphData) -> Demand:
    """Return the bytes that a graph takes on a device, with those for sampling."""
    tensors = (graph.rowptr, graph.col, graph.y, graph.train_mask, graph.val_mask, graph.test_mask)
    weights = () if graph.edge_weight is None else (graph.edge_weight,)
    features = dense_bytes(graph.x)
    page_locked = 1 << max(0, features - 1).bit_length()  # torch rounds up to a power of two
    return Demand(
        graph=sum(map(_num_bytes, (*tensors, *weights))) + graph.num_nodes * BYTES_PER_NODE,
        features=features,
        row=features // max(1, graph.num_nodes),
        pinned=page_locked if isinstance(graph.x, Tensor) else None,
    )


def memory_of(device: torch.device) -> Memory:
    """Return the memory that may be used now."""
    on_device = (1 - RESERVED_SHARE) * free_memory(device)
    return Memory(int(on_device), int(PINNED_SHARE * free_memory(torch.device("cpu"))))


def most_read_nodes(graph: GraphData, count: int) -> Tensor:
    """Return the `count` nodes with most out-edges, which samples reach most often."""
    out_degree = torch.bincount(graph.col, minlength=graph.num_nodes)
    return out_degree.argsort(descending=True, stable=True)[:count]


def _num_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
