"""METIS, here or in a process of its own.

While it computes, which takes minutes on Reddit, it lets nothing else run in its process: not even
what ends the process when a signal comes. A process of its own can be left at any moment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

NAMES = ("indptr", "indices")
EDGES_HERE = 2**20  # a second or two; a process of its own takes one to start


def partition(
    indptr: np.ndarray, indices: np.ndarray, num_parts: int, folder: Path | None
) -> np.ndarray:
    """Return each node's part; what a process of its own reads is put in `folder` for a while.

    Raises:
        ImportError: pymetis is not installed.
        MemoryError: the process was killed.
    """
    import pymetis

    if len(indices) <= EDGES_HERE:
        _, part = pymetis.part_graph(num_parts, pymetis.CSRAdjacency(indptr, indices))
        return np.asarray(part, np.int64)
    with TemporaryDirectory(prefix="metis-", dir=folder) as place:
        for name, values in zip(NAMES, (indptr, indices), strict=True):
            np.save(Path(place, f"{name}.npy"), values)
        command = [sys.executable, "-m", "redditgnn.partition.metis", place, str(num_parts)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if done.returncode < 0:
            raise MemoryError(f"METIS was killed by signal {-done.returncode}")
        if done.returncode:
            raise RuntimeError(f"METIS failed: {done.stderr.strip().splitlines()[-1]}")
        return np.load(Path(place, "part.npy"), allow_pickle=False)


def _main(place: str, num_parts: str) -> None:
    import pymetis

    indptr, indices = (np.load(Path(place, f"{name}.npy"), mmap_mode="r") for name in NAMES)
    _, part = pymetis.part_graph(int(num_parts), pymetis.CSRAdjacency(indptr, indices))
    np.save(Path(place, "part.npy"), np.asarray(part, np.int64))


if __name__ == "__main__":
    _main(*sys.argv[1:])
