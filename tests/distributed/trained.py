"""Trainings on parts of a graph, for processes of a team."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.batch_norm import synchronize_norms
from redditgnn.distributed.halo import HaloSettings
from redditgnn.distributed.team import Team
from redditgnn.evaluation.evaluator import Evaluator
from redditgnn.evaluation.exact import ExactInference
from redditgnn.parts import Parts
from redditgnn.record import checkpoint
from redditgnn.sampler.part import PartSampler, part_data
from redditgnn.trainer.checkpointing import NEVER, Cadence, Checkpointer
from redditgnn.trainer.team_checkpointing import HaloCheckpointer

CPU = torch.device("cpu")


class Stopping:
    """A request to end, which comes after an epoch."""

    def __init__(self, epoch: int | None) -> None:
        self.is_requested, self._epoch = False, epoch

    def look_at(self, rows: list[Any]) -> None:
        self.is_requested = len(rows) == self._epoch

    def leave(self) -> None:
        if self.is_requested:
            raise KeyboardInterrupt


def train_on_parts(
    team: Team,
    overrides: list[str],
    partition: str,
    halo: dict[str, Any],
    folder: str,
    stop_after: int | None = None,
) -> dict[str, Any]:
    """Return validation scores, the last weights' sum and bytes sent a step.

    The training resumes from the checkpoint in `folder`. With `stop_after` the last rank is asked
    to end after so many epochs, and the result is empty.
    """
    settings = compose_settings([*overrides, "sampler=full", "device=cpu"])
    torch.manual_seed(settings.seed)
    parts = Parts(settings, team=team)
    model, graph = parts.model, parts.train_graph
    synchronize_norms(model, team)
    data = part_data(graph, team, partition, settings.seed, stored=False)
    facts = {"num_layers": model.num_layers, "device": CPU, "seed": settings.seed}
    sampler = PartSampler(graph, data, team, HaloSettings(**halo), **facts)
    evaluate = Evaluator(parts.graph, ExactInference(parts.graph, CPU, chunk_edges=None))
    best, rows = Path(folder, f"best{team.rank}.pt"), []
    stop = Stopping(stop_after if team.rank == team.size - 1 else None)

    def record(row: Any) -> None:
        rows.append(row)
        stop.look_at(rows)

    with parts.in_effect(), contextlib.suppress(KeyboardInterrupt):
        training = parts.trainer.fit(
            model,
            parts.optimizer,
            parts.scheduler,
            sampler,
            evaluate,
            best,
            record,
            checkpointer=checkpointer_of(sampler, team, Path(folder, "checkpoint.pt"), stop),
            team=team,
            seed=settings.seed,
        )
    if stop_after is not None:
        return {}
    assert training.best is not None
    assert training.best.val is not None
    return {
        "val": training.best.val["micro_f1"],
        "loss": [row.train_loss for row in training.rows],
        "epoch_s": sorted(row.epoch_s for row in rows)[len(rows) // 2],
        "halo": len(sampler.part.halo),
        "sent": team.traffic.sent_bytes / len(rows),
        "wait_s": sum(row.wait_s for row in rows) / len(rows),
        "weights": [p.detach().double().sum().item() for p in model.parameters()],
    }


def checkpointer_of(sampler: PartSampler, team: Team, path: Path, stop: Stopping) -> Checkpointer:
    """The checkpointer of a run, which writes only when it is asked to end."""
    state = team.broadcast(checkpoint.load(path) if path.exists() else None)
    place = path, Cadence("every", 1000), stop, dict, state
    if sampler.owns_state:
        return HaloCheckpointer(*place, team=team, sampler=sampler)
    return Checkpointer(path, Cadence("every", 1000) if team.rank == 0 else NEVER, *place[2:])
