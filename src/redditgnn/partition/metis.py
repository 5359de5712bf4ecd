"""METIS, in this process or in a process of its own.

METIS takes minutes on Reddit, and lets nothing else run in its process, not even signal handlers.
A process of its own can be abandoned at any moment.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

Objective = Literal["cut", "volume"]
ARRAY_NAMES = ("indptr", "indices")
BYTES_PER_EDGE = 48  # at its peak, measured on sbm of 4 and 23 million edges
MAX_EDGES_IN_PROCESS = 2**20  # takes a second or two, and starting a process takes one


def partition(
    indptr: np.ndarray,
    indices: np.ndarray,
    num_parts: int,
    folder: Path | None,
    objective: Objective = "cut",
) -> np.ndarray:
    """Return each node's part. The input of a separate process is a temporary file in `folder`.

    `objective`: `cut` gives parts of equally many nodes with few edges between them. `volume` gives
    parts of equally many edges whose nodes are read by few other parts.

    Raises:
        ImportError: pymetis is not installed.
        MemoryError: the process was killed, or had too little memory.
    """
    import pymetis  # noqa: F401  # before a process is started that needs it

    if len(indices) <= MAX_EDGES_IN_PROCESS:
        return _partition_here(indptr, indices, num_parts, objective)
    with TemporaryDirectory(prefix="metis-", dir=folder) as directory:
        for name, values in zip(ARRAY_NAMES, (indptr, indices), strict=True):
            np.save(Path(directory, f"{name}.npy"), values)
        arguments = [directory, str(num_parts), objective]
        command = [sys.executable, "-m", "redditgnn.partition.metis", *arguments]
        process = subprocess.run(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if process.returncode < 0:
            raise MemoryError(f"METIS was killed by signal {-process.returncode}")
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1]
            failure = MemoryError if "memory" in last.lower() else RuntimeError
            raise failure(f"METIS failed: {last}")
        return np.load(Path(directory, "part.npy"), allow_pickle=False)


def _partition_here(
    indptr: np.ndarray, indices: np.ndarray, num_parts: int, objective: Objective
) -> np.ndarray:
    import pymetis

    adjacency = pymetis.CSRAdjacency(indptr, indices)
    if objective == "cut":
        _, part = pymetis.part_graph(num_parts, adjacency)
    else:  # only the method without recursion knows the volume
        options = pymetis.Options(objtype=pymetis.ObjType.VOL)
        weights = np.diff(indptr) + 1
        _, part = pymetis.part_graph(
            num_parts, adjacency, vweights=weights, recursive=False, options=options
        )
    return np.asarray(part, np.int64)


def _main(directory: str, num_parts: str, objective: Objective) -> None:
    indptr, indices = (
        np.load(Path(directory, f"{name}.npy"), mmap_mode="r") for name in ARRAY_NAMES
    )
    part = _partition_here(indptr, indices, int(num_parts), objective)
    np.save(Path(directory, "part.npy"), part)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
