"""Where a launcher says which process of how many this one is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

LAUNCHED = {  # what a launcher sets, in the names of torchrun and of a SLURM step
    "rank": ("RANK", "SLURM_PROCID"),
    "size": ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"),
    "local_rank": ("LOCAL_RANK", "SLURM_LOCALID"),
}
FIRST_PORT, NUM_PORTS = 20_000, 20_000  # of a SLURM step, whose tasks have nobody to ask for one


class Place(NamedTuple):
    """The number of a process, how many there are, and its number among those of its machine."""

    rank: int
    size: int
    local_rank: int

    def environment(self, address: str, port: int) -> dict[str, str]:
        """Return the variables by which torch.distributed finds the other processes."""
        names = [name for name, _ in LAUNCHED.values()]
        values = {name: str(value) for name, value in zip(names, self, strict=True)}
        return {**values, "MASTER_ADDR": address, "MASTER_PORT": str(port)}


def place_of(environment: Mapping[str, str]) -> Place | None:
    """Return the place that torchrun or a SLURM step gave this process, None without either."""
    for number in range(2):
        names = [names[number] for names in LAUNCHED.values()]
        if all(name in environment for name in names[:2]):
            rank, size, local_rank = (int(environment.get(name, "0")) for name in names)
            if number == 0 or size > 1:  # a shell in an allocation is a step of one task
                return Place(rank, size, local_rank)
    return None


def slurm_address(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return the machine of rank 0 of a SLURM step, and a port that all its tasks agree on."""
    nodes = environment.get("SLURM_STEP_NODELIST", "localhost")
    first = re.match(r"([^\[,]+)(?:\[(\d+))?", nodes)
    host = "".join(part or "" for part in first.groups()) if first else nodes
    job, step = (int(environment.get(f"SLURM_{name}", "0")) for name in ("JOB_ID", "STEP_ID"))
    return host, FIRST_PORT + (31 * job + step) % NUM_PORTS
