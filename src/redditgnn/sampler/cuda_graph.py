"""Whether the training steps over a sampler's batches are to be one CUDA graph."""

from __future__ import annotations

from typing import Literal

from redditgnn.errors import require

CudaGraph = bool | Literal["auto"]
"""True: a step that cannot be captured is an error. `auto`: then it is taken as elsewhere."""


def capture(
    cuda_graph: CudaGraph, *, possible: bool, worth_it: bool = True, needs: str
) -> CudaGraph:
    """Return whether to capture steps, given what the setting says and what can be done here.

    `worth_it`: what `auto` does where it is possible. `needs` says what makes it so.

    Raises:
        ConfigError: it has to be, and is not possible.
    """
    require(
        possible or cuda_graph is not True,
        f"sampler.cuda_graph=true needs {needs}; use sampler.cuda_graph=auto",
    )
    if cuda_graph == "auto":
        return "auto" if possible and worth_it else False
    return cuda_graph
