"""The processes that one command has started to train a model together."""

from __future__ import annotations

import psutil


def ranks_of(command: int) -> list[psutil.Process]:
    """Return the ranks of the command with this process id, rank 0 first; none if it is gone.

    They are children of a server, which is none of them.
    """
    try:
        process = psutil.Process(command)
        children = process.children(recursive=True)
        servers = {child.ppid() for child in children} - {command}
        ranks = [child for child in children if child.ppid() in servers]
        return sorted(ranks, key=lambda rank: rank.create_time())
    except psutil.NoSuchProcess:
        return []
