"""What a stage of a pipeline takes of what one process would take, and what it sends."""

from __future__ import annotations

from dataclasses import dataclass, replace

from redditgnn.distributed.parcel import FLOAT_BYTES, sent_bytes
from redditgnn.distributed.stages import Stages
from redditgnn.memory.estimate import Estimate
from redditgnn.parts import Parts
from redditgnn.sampler.base import GivesChunks
from redditgnn.trainer.parcel_widths import largest_parcel


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What a step over `num_chunks` chunks of at most `most_nodes` nodes costs.

    Attributes:
        sent: Bytes that all stages send together.
        memory: Of the stage with most layers.
    """

    num_chunks: int
    most_nodes: int
    sent: int
    memory: Estimate


def cost_of_stages(parts: Parts, stages: Stages, num_batches: int, alone: Estimate) -> StageCost:
    """Return the cost of a run of `parts`, whose estimate on one process is `alone`."""
    sampler = parts.sampler
    assert isinstance(sampler, GivesChunks)
    num_chunks = min(parts.settings.components["trainer"]["batches_per_step"], num_batches)
    parcel = largest_parcel(parts.model, sampler, parts.device)
    share = stages.share_of_step(num_chunks)
    buffers = FLOAT_BYTES * parcel * num_chunks * min(2, stages.size - 1)
    memory = replace(
        alone,
        histories=stages.share_of_histories * alone.histories,
        step=share * alone.step + buffers,
        per_node=share * alone.per_node,
        per_edge=share * alone.per_edge,
    )
    return StageCost(
        num_chunks=num_chunks,
        most_nodes=sampler.most_targets,
        sent=sent_bytes(parcel, num_chunks, stages.size),
        memory=memory,
    )
