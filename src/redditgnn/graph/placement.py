"""Where the graph and its features are kept for training on CUDA.

- `device`: both on the device, which samples there too.
- `pinned`: the graph on the device, the features in page-locked host memory that the device reads
  over the bus; those of the nodes that most edges lead to are cached on it.
- `mmap`: both stay where they are, memory-mapped from disk. Batches are sampled and their features
  gathered on the CPU, in the background thread, and copied while the step before is computed.
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
from redditgnn.runtime.memory import GIB, free_memory

Tier = Literal["device", "pinned", "mmap"]
FeatureTier = Literal["auto", "device", "pinned", "mmap"]

RESERVED_SHARE = 0.25  # of the device's free memory, left to training and evaluation
PINNED_SHARE = 0.5  # of the available host memory: what is page-locked nobody else can have
BYTES_PER_NODE = 32  # what sampling and the cache's index need beside the graph

log = logging.getLogger(__name__)


class Demand(NamedTuple):
    """Bytes that the graph, its features and one row of them take, and the bytes to pin them."""

    graph: int
    features: int
    row: int
    pinned: int


class Memory(NamedTuple):
    """Bytes that may be used: of the device with its reserve set aside, and of the host."""

    device: int
    host: int


class Choice(NamedTuple):
    """A tier, how many rows of features it caches on the device, and why it was chosen."""

    tier: Tier
    num_cached: int
    reason: str


class Placed(NamedTuple):
    """A graph whose CSR and labels are where batches are sampled; its features are in `table`."""

    graph: GraphData
    table: Tensor | FeatureTable

    @property
    def device(self) -> torch.device:
        """Where batches are sampled."""
        return self.graph.rowptr.device

    @property
    def is_on_cuda(self) -> bool:
        """Whether a CUDA device samples and reads features without help from the CPU."""
        reads_alone = not isinstance(self.table, HostTable) or self.table.zero_copy
        return self.device.type == "cuda" and reads_alone

    def rows(self, node_ids: Tensor) -> Rows:
        """Return features, lazy where reading them is cheap: over the bus they are read now."""
        if isinstance(self.table, Tensor):
            return Rows(self.table, node_ids)
        return Rows(self.table.gather(node_ids))


def place(graph: GraphData, device: torch.device, tier: FeatureTier) -> Placed:
    """Put graph and features where `tier` says, or, if it is auto, where they fit.

    Raises:
        ConfigError: `tier` needs a CUDA device.
    """
    if device.type != "cuda":
        require(
            tier != "pinned",
            "sampler.feature_tier=pinned needs device=cuda; use sampler.feature_tier=auto",
        )
        graph = graph.to(device)
        return Placed(graph, graph.x)
    demand = demand_of(graph)
    choice = chosen(tier, demand, memory_of(device))
    log.info(said(choice, demand))
    if choice.tier == "device":
        graph = graph.to(device)
        return Placed(graph, graph.x)
    if choice.tier == "mmap":
        return Placed(graph, graph.x)
    hot_ids = most_read(graph, choice.num_cached)
    zero_copy = find_spec("triton") is not None
    table = HostTable(graph.x.pin_memory(), hot_ids, device, zero_copy=zero_copy)
    on_device = {name: getattr(graph, name).to(device) for name in ("rowptr", "col", "y")}
    return Placed(replace(graph, **on_device), table)


def chosen(tier: FeatureTier, demand: Demand, memory: Memory) -> Choice:
    """Decide by what fits, and how many rows to cache if features stay on the host."""
    left = memory.device - demand.graph
    num_cached = max(0, min(left, demand.features)) // max(1, demand.row)
    if tier != "auto":
        return Choice(tier, num_cached if tier == "pinned" else 0, "as sampler.feature_tier says")
    if demand.features <= left:
        return Choice("device", 0, "graph and features fit on the device")
    if left >= 0 and demand.pinned <= memory.host:
        return Choice("pinned", num_cached, "the features do not fit on the device")
    lacking = "the graph does not fit on the device" if left < 0 else "nor in half of host memory"
    if left >= 0:
        lacking = f"the features fit neither on the device {lacking}"
    return Choice("mmap", 0, lacking)


def said(choice: Choice, demand: Demand) -> str:
    """Say in one line what is where, and why."""
    graph, features = (f"{size / GIB:.2f} GiB" for size in (demand.graph, demand.features))
    cached = f"{choice.num_cached * demand.row / GIB:.2f} GiB of them cached on it"
    where = {
        "device": f"graph ({graph}) and features ({features}) are on the device",
        "pinned": f"graph ({graph}) is on the device, which reads features ({features}) from "
        f"page-locked host memory, {cached}",
        "mmap": f"graph ({graph}) and features ({features}) stay memory-mapped on the host",
    }
    return f"feature_tier={choice.tier}: {where[choice.tier]}: {choice.reason}"


def demand_of(graph: GraphData) -> Demand:
    """Add up what a graph takes on a device, with what sampling it needs."""
    held = (graph.rowptr, graph.col, graph.y, graph.train_mask, graph.val_mask, graph.test_mask)
    features = _bytes(graph.x)
    return Demand(
        graph=sum(map(_bytes, held)) + graph.num_nodes * BYTES_PER_NODE,
        features=features,
        row=features // max(1, graph.num_nodes),
        pinned=1 << max(0, features - 1).bit_length(),  # torch rounds up to a power of two
    )


def memory_of(device: torch.device) -> Memory:
    """Ask how much memory there is."""
    on_device = (1 - RESERVED_SHARE) * free_memory(device)
    return Memory(int(on_device), int(PINNED_SHARE * free_memory(torch.device("cpu"))))


def most_read(graph: GraphData, count: int) -> Tensor:
    """Return the `count` nodes with the most out-edges: so often a sample can lead to them."""
    out_degree = torch.bincount(graph.col, minlength=graph.num_nodes)
    return out_degree.argsort(descending=True, stable=True)[:count]


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
