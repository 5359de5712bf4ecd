"""The output of `train --dry-run`: what a run would be, and whether it fits in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from redditgnn.command.advice import advise_data, advise_parts
from redditgnn.command.doctor import align_columns
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.distributed.balance import balance_of, imbalance
from redditgnn.distributed.halo import HaloSettings
from redditgnn.distributed.parcel import FLOAT_BYTES
from redditgnn.distributed.stages import Stages
from redditgnn.distributed.team import Alone, Rehearsal, Team
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.memory.estimate import Estimate, estimate
from redditgnn.memory.out_of_memory import MemoryWatch, Phase
from redditgnn.memory.stage import StageCost, cost_of_stages
from redditgnn.partition.parts import owners_of
from redditgnn.parts import Parts
from redditgnn.run.batch_size import resolve_batch_size
from redditgnn.run.parallel import resolve_parallel
from redditgnn.runtime.measure import MIB
from redditgnn.runtime.memory import free_memory

Row = Sequence[str]


def describe_run(settings: Settings) -> str:
    """Describe the run of `settings`. Its parts are built, and nothing is trained or written.

    Raises:
        UserError: the run would be refused.
        OutOfMemory: the memory does not suffice to build its parts.
    """
    settings = resolve_batch_size(resolve_parallel(settings))
    settings.check()
    parts = Parts(settings, team=_imagined_team(settings))
    memory = MemoryWatch(settings, parts.device)
    with parts.in_effect(), memory.during(Phase.LOADING):
        graph = parts.graph
    with parts.in_effect(), memory.during(Phase.BUILDING):
        batch, num_batches = next(iter(parts.sampler)), len(parts.sampler)
        estimated = estimate(parts, batch, num_batches)
        rows = _part_rows(settings, graph, batch, num_batches, estimated)
        if settings.parallel.is_partition:
            rows += _balance_rows(parts, estimated)
        elif parts.stages is not None:
            cost = cost_of_stages(parts, parts.stages, num_batches, estimated)
            rows, estimated = rows + _stage_rows(settings, parts.stages, cost), cost.memory
        elif not settings.parallel.is_none:
            rows.append(("advice", advise_data(settings)))
        return align_columns([*rows, *_memory_rows(estimated, parts.device)])


def _imagined_team(settings: Settings) -> Team:
    """Return the team of rank 0, whose part is that of a run on this many processes."""
    parallel = settings.parallel
    processes, cuts = parallel.processes, parallel.is_partition or parallel.is_pipeline
    return Alone() if not cuts or processes == "auto" else Rehearsal(0, processes)


def _balance_rows(parts: Parts, estimated: Estimate) -> list[Row]:
    """Describe how evenly processes share the graph, and what they send each other in a step."""
    parallel, graph = parts.settings.parallel, parts.train_graph
    assert parallel.processes != "auto"
    owner = owners_of(graph, parallel.processes, parallel.partition, parts.settings.seed)
    balance = balance_of(graph, owner, parallel.processes)
    sizes = {"nodes": balance.nodes, "edges": balance.edges, "halo rows": balance.halo}
    shares = (f"{max(n):,} {name} ({imbalance(n):.2f} x the mean)" for name, n in sizes.items())
    sent = balance.sent_bytes(estimated.exchanged, HaloSettings(**parallel.halo))
    return [
        (f"parallel.partition={parallel.partition}", f"the largest parts have {', '.join(shares)}"),
        (
            "sent in a step",
            f"{_format_mib(sent)} by {parallel.processes} processes together; memory below is that "
            "of rank 0",
        ),
        ("advice", advise_parts(graph, balance, estimated, free_memory(parts.device))),
    ]


def _stage_rows(settings: Settings, stages: Stages, cost: StageCost) -> list[Row]:
    """Describe the stages of a pipeline, what they send each other, and how long they wait."""
    layers = " + ".join(str(len(stages.layers(rank))) for rank in range(stages.size))
    return [
        (
            "parallel=pipeline",
            f"{stages.size} processes by {settings.parallel.backend} with {layers} layers, each "
            f"with at most {stages.share_of_histories:.0%} of the histories; memory below is that "
            "of one of them",
        ),
        (
            "sent in a step",
            f"{_format_mib(cost.sent)} by all together, for {cost.num_chunks} chunks of up to "
            f"{cost.most_nodes:,} nodes",
        ),
        ("idle in a step", f"{stages.bubble(cost.num_chunks):.0%} where layers take equally long"),
    ]


def _part_rows(
    settings: Settings, graph: GraphData, batch: Batch, num_batches: int, estimated: Estimate
) -> list[Row]:
    masks = (graph.train_mask, graph.val_mask, graph.test_mask)
    split = " / ".join(f"{int(mask.sum()):,}" for mask in masks)
    names = settings.choices
    return [
        (
            f"dataset={names['dataset']}",
            f"{graph.num_nodes:,} nodes, {graph.num_edges:,} edges, {graph.x.shape[1]} features, "
            f"{graph.num_classes} classes, {split} to train, validate and test on",
        ),
        ("fingerprint", str(graph.fingerprint.of_a_run(settings.protocol_part))),
        (f"model={names['model']}", f"{estimated.num_parameters:,} parameters"),
        (
            f"sampler={names['sampler']}",
            f"{num_batches:,} {'batch' if num_batches == 1 else 'batches'} an epoch, the first of "
            f"{len(batch.node_ids):,} nodes and {batch.col.numel():,} edges",
        ),
        ("config_hash", hash_of_config(settings)),
        *_sharing_rows(settings, num_batches, estimated),
    ]


def _sharing_rows(settings: Settings, num_batches: int, estimated: Estimate) -> list[Row]:
    """Describe the steps: those of several batches, and the processes that share them."""
    count = settings.components["trainer"].get("batches_per_step") or 1
    if count == 1:
        return []
    rows: list[Row] = [(f"steps of {count} batches", f"{-(-num_batches // count):,} an epoch")]
    parallel = settings.parallel
    assert parallel.processes != "auto"
    if parallel.processes > 1 and not parallel.is_pipeline:
        sent = FLOAT_BYTES * estimated.num_parameters * (parallel.processes - 1)
        rows.append(
            (
                f"parallel={parallel.name}",
                f"{parallel.processes} processes by {parallel.backend}, each sends "
                f"{_format_mib(sent)} a step; memory below is that of one of them",
            )
        )
    return rows


def _memory_rows(estimated: Estimate, device: torch.device) -> list[Row]:
    """Compare the estimate of each phase with the memory that is free."""
    free = free_memory(device)
    chunks = "" if estimated.chunk_edges is None else f", {estimated.chunk_edges:,} edges at once"
    sizes = {
        "graph (memory-mapped where it is cached)": estimated.graph,
        "weights and optimizer": estimated.weights,
        "histories": estimated.histories,
        "batches": estimated.batches,
        "precomputed features": estimated.precomputed,
        "left behind by a step": estimated.left,
    }
    step = f"{estimated.per_node:,.0f} bytes a node, {estimated.per_edge:,.0f} bytes an edge"
    return [
        *((name, _format_mib(size)) for name, size in sizes.items() if size),
        ("training step", f"{_format_mib(estimated.step)}: {step}"),
        ("evaluation", f"{_format_mib(estimated.evaluation)}{chunks}"),
        ("peak of training", _compare(estimated.training, free)),
        ("peak of evaluation", _compare(estimated.testing, free)),
    ]


def _format_mib(size: int | float) -> str:
    return f"{size / MIB:,.1f} MiB"


def _compare(needed: int | float, free: int) -> str:
    verdict = "fits" if needed <= free else "does not fit"
    return f"{_format_mib(needed)}, {_format_mib(free)} are free: {verdict}"
