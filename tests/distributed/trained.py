"""Trainings on parts of a graph, for processes of a team."""

from __future__ import annotations

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
from redditgnn.sampler.part import PartSampler, part_data

CPU = torch.device("cpu")


def train_on_parts(
    team: Team, overrides: list[str], partition: str, halo: dict[str, Any], folder: str
) -> dict[str, Any]:
    """Return validation scores, the last weights' sum and bytes sent a step."""
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
    with parts.in_effect():
        training = parts.trainer.fit(
            model,
            parts.optimizer,
            parts.scheduler,
            sampler,
            evaluate,
            best,
            rows.append,
            team=team,
            seed=settings.seed,
        )
    assert training.best is not None
    assert training.best.val is not None
    return {
        "val": training.best.val["micro_f1"],
        "loss": [row.train_loss for row in rows],
        "epoch_s": sorted(row.epoch_s for row in rows)[len(rows) // 2],
        "halo": len(sampler.part.halo),
        "sent": team.traffic.sent_bytes / len(rows),
        "wait_s": team.traffic.wait_s / len(rows),
        "weights": [p.detach().double().sum().item() for p in model.parameters()],
    }
