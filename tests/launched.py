"""Run `redditgnn` as one of several processes, as torchrun starts it: rank, size, port, arguments.

`pause=RANK:EPOCH:BATCH:FILE` among the arguments makes that rank wait there, after it has made
FILE, until FILE is removed.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def pause_at(epoch: int, batch: int, mark: Path) -> None:
    """Wait before a batch is computed, as long as there is `mark`."""
    from redditgnn.trainer import shared

    seed_of_batch = shared.seed_of_batch

    def waiting(seed: int, now: int, number: int) -> int:
        if (now, number) == (epoch, batch):
            mark.touch()
            while mark.exists():
                time.sleep(0.05)
        return seed_of_batch(seed, now, number)

    shared.seed_of_batch = waiting


def main(rank: str, size: str, port: str, *arguments: str) -> int:
    """Be one of the processes."""
    from redditgnn import cli

    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}
    os.environ.update(place, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "pause" and value.split(":")[0] == rank:
            _, epoch, batch, path = value.split(":")
            pause_at(int(epoch), int(batch), Path(path))
    return cli.main([argument for argument in arguments if not argument.startswith("pause=")])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
