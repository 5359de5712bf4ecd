"""How a process finds the others of its team."""

from __future__ import annotations

import os
from datetime import timedelta

from torch.distributed.rendezvous import rendezvous

from redditgnn.distributed.environment import Place, slurm_address
from redditgnn.distributed.team import Processes, first_line
from redditgnn.errors import TeamFailed


def join_team(place: Place, *, backend: str, timeout_s: float) -> Processes:
    """Join the other processes that a launcher has started; the environment says where they are.

    Raises:
        TeamFailed: they do not come within `timeout_s`.
    """
    if "MASTER_ADDR" not in os.environ:  # a task of SLURM
        os.environ.update(place.environment(*slurm_address(os.environ)))
    timeout = timedelta(seconds=timeout_s)
    try:
        store, rank, size = next(rendezvous("env://", timeout=timeout))
        return Processes(store, rank, size, backend=backend, timeout_s=timeout_s)
    except RuntimeError as error:
        text = f"the {place.size} processes did not find each other ({first_line(error)})"
        raise TeamFailed(text) from error
