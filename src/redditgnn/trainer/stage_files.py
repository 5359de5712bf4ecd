"""The histories of the stages of a pipeline, each in a file of its own beside the checkpoint.

A file says which layers it has. So a run that was killed resumes with any number of stages.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redditgnn.errors import DataError
from redditgnn.record import checkpoint

FILES = "history_files"  # the names of the files, in a checkpoint


def stage_file(state: dict[str, Any], rank: int, size: int) -> str:
    """Return the name of a stage's file beside the checkpoint `state`."""
    place = f"{len(state['rows'])}-{len(state['losses'])}"
    return f"histories-{place}-{rank}-of-{size}.pt"


def with_stage_histories(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a checkpoint with the histories of all stages, which stay on the disk until read.

    Raises:
        DataError: a file is missing or damaged.
    """
    if FILES not in state:
        return state
    layers: dict[int, Any] = {}
    for name in state[FILES]:
        if not (folder / name).exists():
            raise DataError(f"{name} is missing")
        layers |= checkpoint.load(folder / name)["histories"]
    return state | {"histories": {"histories": layers, "ages": None}}
