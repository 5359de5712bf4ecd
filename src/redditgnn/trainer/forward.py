"""The forward pass of a training step: what `trainer.compile` and `trainer.recompute` may be."""

from __future__ import annotations

from typing import Literal

from redditgnn.errors import require
from redditgnn.runtime.hardware import compile_obstacle

Recompute = Literal["layers"] | None
"""What the backward pass computes again instead of keeping it."""


def check_forward(compile: bool, recompute: Recompute) -> None:
    """Refuse generated code where it cannot be, and together with recomputation."""
    if not compile:
        return
    obstacle = compile_obstacle()
    require(
        obstacle is None,
        f"trainer.compile=true cannot generate code here: {obstacle}; install what is missing "
        "(Debian: g++ and python3-dev; or name a compiler in CXX), or use trainer.compile=false",
    )
    require(
        recompute is None,
        f"trainer.recompute={recompute} cannot be combined with trainer.compile=true, which "
        "chooses itself what to keep; use trainer.recompute=null or trainer.compile=false",
    )
