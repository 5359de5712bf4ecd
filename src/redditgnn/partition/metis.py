"""METIS, in this process or in a process of its own.

METIS takes minutes on Reddit, and lets nothing else run in its process, not even signal handlers.
A process of its own can be abandoned at any moment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ARRAY_NAMES = ("indptr", "indices")
MAX_EDGES_IN_PROCESS = 2**20  # takes a second or two, and starting a process takes one


def partition(
    indptr: np.ndarray, indices: np.ndarray, num_parts: int, folder: Path | None
) -> np.ndarray:
    """Return each node's part. The input of a separate process is a temporary file in `folder`.

    Raises:
        ImportError: pymetis is not installed.
        MemoryError: the process was killed.
    """
    import pymetis

    if len(indices) <= MAX_EDGES_IN_PROCESS:
        _, part = pymetis.part_graph(num_parts, pymetis.CSRAdjacency(indptr, indices))
        return np.asarray(part, np.int64)
    with TemporaryDirectory(prefix="metis-", dir=folder) as directory:
        for name, values in zip(ARRAY_NAMES, (indptr, indices), strict=True):
            np.save(Path(directory, f"{name}.npy"), values)
        command = [sys.executable, "-m", "redditgnn.partition.metis", directory, str(num_parts)]
        process = subprocess.run(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if process.returncode < 0:
            raise MemoryError(f"METIS was killed by signal {-process.returncode}")
        if process.returncode:
            raise RuntimeError(f"METIS failed: {process.stderr.strip().splitlines()[-1]}")
        return np.load(Path(directory, "part.npy"), allow_pickle=False)


def _main(directory: str, num_parts: str) -> None:
    import pymetis

    indptr, indices = (
        np.load(Path(directory, f"{name}.npy"), mmap_mode="r") for name in ARRAY_NAMES
    )
    _, part = pymetis.part_graph(int(num_parts), pymetis.CSRAdjacency(indptr, indices))
    np.save(Path(directory, "part.npy"), np.asarray(part, np.int64))


if __name__ == "__main__":
    _main(*sys.argv[1:])
