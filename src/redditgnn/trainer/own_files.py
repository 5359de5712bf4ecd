"""Files of single processes beside a checkpoint, which names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redditgnn.errors import DataError
from redditgnn.record import checkpoint
from redditgnn.record.resume import OWN_FILE

FILES = "own_files"  # their names by rank, in a checkpoint


def own_files(state: dict[str, Any], size: int) -> list[str]:
    """Return the names of the files of `size` processes that belong to the checkpoint `state`."""
    place = f"{len(state['rows'])}-{len(state['losses'])}"
    return [OWN_FILE.format(f"{place}-{rank}-of-{size}") for rank in range(size)]


def load_own_file(folder: Path, name: str) -> dict[str, Any]:
    """Return what a process wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    if not (folder / name).exists():
        raise DataError(f"{name} is missing")
    return checkpoint.load(folder / name)


def with_histories(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a checkpoint with the histories of all stages of a pipeline, if one wrote it.

    They stay on the disk until they are read. A file says which layers it has. So a run that was
    killed resumes with any number of stages.

    Raises:
        DataError: a file is missing or damaged.
    """
    if "histories" in state:
        return state
    layers: dict[int, Any] = {}
    for name in state[FILES]:
        layers |= load_own_file(folder, name)["histories"]
    return state | {"histories": {"histories": layers, "ages": None}}
