"""The table of an embedding: computed once for edges, settings and seed, and stored as .npy.

The file lies beside the caches of the datasets. Its name has a hash of the edges, so that all
splits of a graph share it, and one of the features if the method reads them. An inductive table
depends on the split, too.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from jaxtyping import Float32
from numpy import ndarray

from redditgnn.embedding.adjacency import Adjacency, adjacency_of, inductive_adjacency_of
from redditgnn.embedding.base import INDUCTIVE, Embedding
from redditgnn.errors import require
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import short_hash
from redditgnn.runtime.files import whole_file

FOLDER = "embeddings"
READING_KEYS = ("normalize",)  # keys of a method that do not change its table
log = logging.getLogger(__name__)


class EmbeddingTable:
    """The rows of `graph` by one method, settings, seed and protocol.

    Attributes:
        method: The name of the option in conf/embedding.
        path: The file, which need not exist. None if the graph has no cache.

    Raises:
        ConfigError: the method does not know the protocol.
    """

    def __init__(
        self,
        graph: GraphData,
        method: str,
        embedding: Embedding,
        settings: Mapping[str, Any],
        seed: int,
        protocol: str,
    ) -> None:
        protocols = embedding.protocols
        require(
            protocol in protocols,
            f"embedding={method} needs protocol={' or '.join(protocols)}: it reads the edges of "
            f"all nodes; got protocol={protocol}",
        )
        self._graph, self.method, self._embedding, self._seed = graph, method, embedding, seed
        self._inductive = protocol == INDUCTIVE
        values = {k: v for k, v in settings.items() if k not in READING_KEYS and k[0] != "_"}
        text = json.dumps(values, sort_keys=True)
        parts = [str(graph.num_nodes), graph.fingerprint.edges, method, text]
        if embedding.reads_features:
            parts.append(graph.fingerprint.features)
        if self._inductive:
            parts.append(graph.fingerprint.split)
        key = short_hash(*parts)
        self.path: Path | None = None
        if graph.cache_dir is not None:
            self.path = graph.cache_dir.parent / FOLDER / f"{method}-{key}-seed{seed}.npy"

    @cached_property
    def edges(self) -> Adjacency:
        """The edges, and the features or training nodes if the table depends on them.

        Raises:
            ConfigError: they have weights, or there are no training nodes.
        """
        if self._inductive:
            return inductive_adjacency_of(self._graph)
        return adjacency_of(self._graph, with_features=self._embedding.reads_features)

    @property
    def estimate_s(self) -> float | None:
        """CPU seconds that computing the table takes, estimated. None: not known."""
        return self._embedding.estimate_s(self.edges, self._seed)

    def load(self) -> Float32[ndarray, "nodes dim"] | None:
        """Map the file into memory. None if it is missing or damaged."""
        if self.path is None or not self.path.exists():
            return None
        try:
            table = np.load(self.path, mmap_mode="c", allow_pickle=False)
        except (ValueError, EOFError, OSError):
            table = np.empty(0)
        shape = (self._graph.num_nodes, self._embedding.dim)
        if (table.shape, table.dtype) == (shape, np.float32):
            return table
        log.warning("%s is damaged and is computed again", self.path)
        return None

    def load_or_compute(self) -> Float32[ndarray, "nodes dim"]:
        """Return the table. Of several processes one computes it, and the others wait.

        Raises:
            UserError: the method cannot do this graph.
        """
        table = self.load()
        if table is not None or self.path is None:
            return self._compute() if table is None else table
        try:
            self.path.parent.mkdir(exist_ok=True)
            with FileLock(self.path.with_name(f".{self.path.name}.lock")):
                return self._load_or_save(self.path)
        except OSError as error:
            log.warning("the embedding could not be saved: %s", error)
            return self._compute()

    def _load_or_save(self, path: Path) -> Float32[ndarray, "nodes dim"]:
        table = self.load()  # another process may have written it
        if table is None:
            table = self._compute()
            with whole_file(path) as file:
                np.save(file, table, allow_pickle=False)
        return table

    def _compute(self) -> Float32[ndarray, "nodes dim"]:
        self._tell_changes()
        table = self._embedding.compute(self.edges, self._seed)
        is_zero = self._embedding.reads_features or not table[self.edges.degree == 0].any()
        assert is_zero, "nodes without edges have zeros"
        return table

    def _tell_changes(self) -> None:
        name = f"embedding={self.method}"
        if self.edges.was_directed:
            log.warning("%s reads the directed edges of %s both ways", name, self._graph.name)
        if self.edges.num_isolated and not self._embedding.reads_features:
            log.warning("%s gives zeros to %d nodes without edges", name, self.edges.num_isolated)
