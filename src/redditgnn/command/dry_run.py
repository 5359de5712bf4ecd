"""What `train --dry-run` tells: what a run would be, and whether it fits, without running it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from redditgnn.command.doctor import aligned
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import Estimate, estimate
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.parts import Parts
from redditgnn.run.batch_size import resolve_batch_size
from redditgnn.runtime.measure import MIB
from redditgnn.runtime.memory import free_memory

Row = Sequence[str]


def describe_run(settings: Settings) -> str:
    """Describe the run of `settings`: its parts are built and nothing is trained or written.

    Raises:
        UserError: the run would be refused.
        OutOfMemory: there is not even enough to build its parts.
    """
    settings = resolve_batch_size(settings)
    settings.check()
    parts = Parts(settings)
    with MemoryWatch(settings, parts.device).during(Phase.BUILDING), parts.in_effect():
        batch, num_batches = next(iter(parts.sampler)), len(parts.sampler)
        estimated = estimate(parts, batch, num_batches)
        rows = _parts(settings, parts.graph, batch, num_batches, estimated)
        return aligned([*rows, *_cost(estimated, parts.device)])


def _parts(
    settings: Settings, graph: GraphData, batch: Batch, num_batches: int, found: Estimate
) -> list[Row]:
    masks = (graph.train_mask, graph.val_mask, graph.test_mask)
    split = " / ".join(f"{int(mask.sum()):,}" for mask in masks)
    names = settings.choices
    return [
        (
            f"dataset={names['dataset']}",
            f"{graph.num_nodes:,} nodes, {graph.num_edges:,} edges, {graph.x.size(1)} features, "
            f"{graph.num_classes} classes, {split} to train, validate and test on",
        ),
        ("fingerprint", str(graph.fingerprint.of_a_run(settings.protocol))),
        (f"model={names['model']}", f"{found.num_parameters:,} parameters"),
        (
            f"sampler={names['sampler']}",
            f"{num_batches:,} {'batch' if num_batches == 1 else 'batches'} an epoch, the first of "
            f"{len(batch.node_ids):,} nodes and {batch.col.numel():,} edges",
        ),
        ("config_hash", hash_of_config(settings)),
    ]


def _cost(found: Estimate, device: torch.device) -> list[Row]:
    """Return the estimate by phase against what is free."""
    free = free_memory(device)
    chunks = "" if found.chunk_edges is None else f", {found.chunk_edges:,} edges at once"
    held = {
        "graph (memory-mapped where it is cached)": found.graph,
        "weights and optimizer": found.weights,
        "histories": found.histories,
        "batches": found.batches,
        "precomputed features": found.precomputed,
        "left behind by a step": found.left,
    }
    step = f"{found.per_node:,.0f} bytes a node, {found.per_edge:,.0f} bytes an edge"
    return [
        *((name, _mib(size)) for name, size in held.items() if size),
        ("training step", f"{_mib(found.step)}: {step}"),
        ("evaluation", f"{_mib(found.evaluation)}{chunks}"),
        ("peak of training", _against(found.training, free)),
        ("peak of evaluation", _against(found.testing, free)),
    ]


def _mib(size: int | float) -> str:
    return f"{size / MIB:,.1f} MiB"


def _against(needed: int | float, free: int) -> str:
    verdict = "fits" if needed <= free else "does not fit"
    return f"{_mib(needed)}, {_mib(free)} are free: {verdict}"
