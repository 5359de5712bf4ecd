"""Sampled training from each feature tier: seconds, bytes moved, hits of the cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.host_table import HostTable
from redditgnn.graph.placement import most_read_nodes
from redditgnn.runtime.measure import MIB
from redditgnn.sampler.base import Sampler, preserved_position
from scripts.bench.cases.page_cache import MappedFeatures, disk_bytes
from scripts.bench.cases.training import OurTraining
from scripts.bench.rows.row import Row
from scripts.bench.step_bench import BATCH_SIZE, FANOUTS, HIDDEN, SAMPLED, StepBench
from scripts.bench.timing.alternate import Side

CACHED_SHARES = (0.2, 0.05, 0.0)  # of the rows: Reddit's features would fit as a whole

ALWAYS = "always cold"


class Tier(NamedTuple):
    """A training, and the rows of features that it reads on the device."""

    training: OurTraining
    is_cached: Tensor


def feature_tiers(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch of GraphSAGE from each tier. All tiers but `mmap` train on the same batches."""
    everything = torch.ones(bench.graph.num_nodes, dtype=torch.bool)
    tiers = {
        "device": Tier(_from_tier(bench, "device"), everything),
        **{f"pinned, {share:.0%} cached": _cached(bench, share) for share in CACHED_SHARES},
        "mmap": Tier(_from_tier(bench, "mmap"), ~everything),
    }
    trainings = {name: tier.training for name, tier in tiers.items()}
    faults = {name: rows_fault(training, bench.graph) for name, training in trainings.items()}
    faults = {name: fault for name, fault in faults.items() if fault} | bench.faults(trainings)
    traffic = {name: traffic_of(tier, bench.graph) for name, tier in tiers.items()}
    settings = {"fanouts": FANOUTS, "batch_size": BATCH_SIZE, "hidden": HIDDEN}
    rows = bench.compare_epochs(work, trainings, settings, faults=faults)
    return [with_traffic(row, traffic[row.side]) for row in rows]


def with_traffic(row: Row, traffic: dict[str, Any]) -> Row:
    """Add the traffic of an epoch, and say it in words where the row says nothing else."""
    settings = json.loads(row.settings) | traffic
    words = f"{traffic['moved_mib']} MiB of features moved, {traffic['hit_share']:.1%} hits"
    return replace(row, settings=json.dumps(settings), note=row.note or words)


def rows_fault(training: OurTraining, graph: GraphData) -> str:
    """Compare the features and labels of a batch with those of the graph, bit by bit."""
    sampler: Any = training.sampler
    with preserved_position(sampler):
        batch = next(iter(sampler)).to(training.device)
    node_ids = batch.node_ids.cpu()
    targets = node_ids[: batch.num_targets]
    right = torch.equal(batch.x.cpu(), graph.dense_x[node_ids])
    right = right and torch.equal(batch.y.cpu(), graph.y[targets])
    return "" if right else "wrong numbers: a batch has other rows than the graph"


def traffic_of(tier: Tier, graph: GraphData) -> dict[str, Any]:
    """Count the rows that an epoch reads, those of them that are cached, and the MiB moved."""
    sampler: Any = tier.training.sampler
    with preserved_position(sampler):
        node_ids = torch.cat([batch.node_ids.cpu() for batch in sampler])
    num_missed = int((~tier.is_cached[node_ids]).sum())
    row_bytes = graph.dense_x.size(1) * graph.dense_x.element_size()
    return {
        "rows": len(node_ids),
        "hit_share": round(1 - num_missed / len(node_ids), 4),
        "moved_mib": round(num_missed * row_bytes / MIB),
    }


def _from_tier(bench: StepBench, tier: str) -> OurTraining:
    return bench.ours(["model=sage", *SAMPLED, f"sampler.feature_tier={tier}"], bench.train_graph)


def _cached(bench: StepBench, share: float) -> Tier:
    """Return the training from host memory with a share of the rows cached on the device.

    A run caches as many as fit, which of Reddit are all. So the table is put in place here.
    """
    training, graph = _from_tier(bench, "device"), bench.graph
    hot_ids = most_read_nodes(graph, round(share * graph.num_nodes))
    is_cuda = bench.device.type == "cuda"
    host = graph.dense_x.pin_memory() if is_cuda else graph.dense_x
    sampler: Any = training.sampler
    table = HostTable(host, hot_ids, bench.device, zero_copy=is_cuda)
    sampler._placed = sampler._placed._replace(table=table)
    is_cached = torch.zeros(graph.num_nodes, dtype=torch.bool)
    is_cached[hot_ids] = True
    return Tier(training, is_cached)


class AlwaysCold:
    """The batches of a sampler, with features that are dropped from the page cache before each."""

    def __init__(self, sampler: Sampler, features: MappedFeatures) -> None:
        self._sampler, self._features, self.has_halo = sampler, features, sampler.has_halo

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._sampler:
            self._features.forget()
            yield batch


class ColdEpochs:
    """Epochs that begin with features on disk alone.

    Attributes:
        read, written: Bytes from and to the disk in the last epoch.
    """

    def __init__(self, training: OurTraining, features: MappedFeatures) -> None:
        self._training, self._features = training, features
        self.read = self.written = 0

    def epoch(self) -> None:
        """Drop the features from the page cache, and train on every batch once."""
        self._features.forget()
        read, written = disk_bytes()
        self._training.epoch()
        now_read, now_written = disk_bytes()
        self.read, self.written = now_read - read, now_written - written


def cold_tiers(work: str, bench: StepBench) -> list[Row]:
    """Time an epoch of GraphSAGE from disk, with a page cache that is empty at first, or always.

    The second is as if the features, and packs of them, were much larger than memory.
    """
    features = MappedFeatures(bench.graph)
    trainings = {
        f"{tier}, {when}": _from_tier(bench, tier)
        for when in ("cold at first", ALWAYS)
        for tier in ("mmap", "packed")
    }
    for name, training in trainings.items():
        if name.endswith(ALWAYS):
            training.sampler = AlwaysCold(training.sampler, features)
    epochs = {name: ColdEpochs(training, features) for name, training in trainings.items()}
    settings = {"fanouts": FANOUTS, "batch_size": BATCH_SIZE, "hidden": HIDDEN}
    settings["batches"] = len(bench.train_graph.train_mask.nonzero()) // BATCH_SIZE
    sides = [Side(name, each.epoch) for name, each in epochs.items()]
    losses = {name: training.losses for name, training in trainings.items()}
    rows = bench.compare(work, sides, settings, losses=losses)
    return [with_disk(row, epochs[row.side]) for row in rows]


def with_disk(row: Row, epochs: ColdEpochs) -> Row:
    """Add what an epoch read from the disk and wrote to it."""
    words = f"{epochs.read / MIB:,.0f} MiB read, {epochs.written / MIB:,.0f} MiB written"
    return replace(row, note=row.note or words)


TIERS: dict[str, Callable[[str, StepBench], list[Row]]] = {
    "feature tiers": feature_tiers,
    "cold feature tiers": cold_tiers,
}
