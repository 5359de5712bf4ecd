"""Trainings whose layers are stages of a pipeline, for processes of a team."""

from __future__ import annotations

import hashlib
from itertools import count
from pathlib import Path
from typing import Any

import torch

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.team import Team
from redditgnn.parts import Parts
from redditgnn.trainer.parcel_widths import largest_parcel


def train(team: Team, cases: list[list[str]], data_dir: str) -> list[dict[str, Any]]:
    """Train each case, and return a digest of the weights, the losses, and what the rank had."""
    return [_train(team, [*case, f"data_dir={data_dir}"]) for case in cases]


def _train(team: Team, overrides: list[str]) -> dict[str, Any]:
    torch.set_num_threads(1)
    parts, losses = Parts(compose_settings(overrides), team=team), count(start=-1, step=-1)
    torch.manual_seed(parts.settings.seed)
    with parts.in_effect():
        training = parts.trainer.fit(
            parts.model,
            parts.optimizer,
            parts.scheduler,
            parts.sampler,
            lambda *_: (float(next(losses)), {"micro_f1": 0.5}),  # the last epoch is the best
            Path(parts.settings.data_dir, "best.pt"),
            lambda _: None,
            team=team,
            seed=parts.settings.seed,
            stages=parts.stages,
        )
    digest = hashlib.sha256()
    for name, value in parts.model.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    states = parts.sampler.histories.states
    return {
        "weights": digest.hexdigest(),
        "losses": [row.train_loss for row in training.rows],
        "histories": {layer: table.double().sum().item() for layer, table in states.items()},
        "bytes": sum(table.nbytes for table in states.values()),
        "states": len(parts.optimizer.state),
        "sent": team.traffic.sent_bytes,
        "steps": team.traffic.num_steps,
        "parcel": largest_parcel(parts.model, parts.sampler, parts.device),
    }
