"""Weights on disk: written whole or not at all, read without running code from the file."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def save(weights: Weights, path: Path) -> None:
    """Write `weights` to `path` atomically: to a temporary file, flushed to disk, then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        torch.save(weights, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load(path: Path) -> Weights:
    """Read what `save` wrote, onto the CPU."""
    weights: Weights = torch.load(path, map_location="cpu", weights_only=True)
    return weights
