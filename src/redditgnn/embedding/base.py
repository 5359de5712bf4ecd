"""The contract of an embedding method: edges in, a row of numbers for each node out.

A method sees an `Adjacency`, and nothing else. So labels cannot reach it. Features are there only
for a method that `reads_features`, training nodes only under `protocol=inductive`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypedDict

from jaxtyping import Float32
from numpy import ndarray
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.errors import require_positive

INDUCTIVE = "inductive"  # the protocol, see conf/protocol
Normalize = Literal["columns", "rows"]


class EmbeddingSettings(TypedDict):
    """The keys of every method. Methods add their own and pass these on.

    `normalize` says how a run reads the table. It changes no file: see `inputs.normalized`.
    """

    dim: int
    normalize: Normalize | None


class Embedding(ABC):
    """Maps the edges of a graph to `dim` numbers for each node.

    Attributes:
        dim: The number of columns.
        normalize: How a run scales them; None leaves them as they are.
    """

    reads_features = False
    """The method also reads the features of the nodes."""

    protocols: tuple[str, ...] = ("transductive",)
    """Under which its table can be computed. For `inductive`, `compute` obeys `training`."""

    may_stop_early = False
    """`estimate_s` is the most that `compute` takes, which may be far less."""

    def __init__(self, **settings: Unpack[EmbeddingSettings]) -> None:
        self.dim, self.normalize = settings["dim"], settings["normalize"]
        require_positive("embedding.dim", self.dim)

    @abstractmethod
    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        """Return the rows of all nodes. From edges alone, nodes without edges get zeros.

        The same seed gives the same bytes on one machine. If the method learns by gradients, the
        number of threads must be the same, too.

        Raises:
            UserError: the method cannot do this graph.
        """

    def estimate_s(self, edges: Adjacency, seed: int) -> float | None:
        """Estimate the CPU seconds of `compute` by doing a small part of it. None: not known."""
        return None
