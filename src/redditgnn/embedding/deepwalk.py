"""DeepWalk and node2vec: random walks, read as sentences by skip-gram with negative samples.

Perozzi et al. 2014 (arXiv:1403.6652), with negative samples instead of its hierarchical softmax, as
later work has it, and Grover and Leskovec 2016 (arXiv:1607.00653). Walks are drawn when they are
read, so that memory holds only two tables.

`protocol=inductive` is that of Hamilton et al. 2017 (arXiv:1706.02216). The training nodes learn
first, from walks over the edges among them. Then walks over all edges start from the other nodes,
and only these learn. The rows and contexts of training nodes stay as they are. In the code of that
paper new nodes learn from training nodes alone, here from each other, too.
"""

from __future__ import annotations

import time
from typing import NamedTuple, TypedDict

import numpy as np
from jaxtyping import Bool, Float32, Int32
from numpy import ndarray
from typing_extensions import Unpack

from redditgnn.embedding.adjacency import Adjacency
from redditgnn.embedding.base import INDUCTIVE, Embedding, EmbeddingSettings
from redditgnn.errors import require, require_positive
from redditgnn.runtime.numba_threads import numba_works
from redditgnn.runtime.progress import progress_bar

TOKENS_AT_ONCE = 2**16  # between two updates of the progress bar
LEAST_RATE = 1e-4  # the share of the learning rate at the end, as in word2vec
EXPONENT = 0.75  # of the distribution of negative samples, as in word2vec
NOISE_SIZE = 2**20  # entries of the table that negatives are drawn from, at least
NOISE_A_NODE = 16
LANES = 8  # of `kernels.simd_numba`, which is imported only where it is needed
TRIAL_S = 0.5


class WalkSettings(TypedDict):
    """The keys of walks and of the skip-gram that reads them."""

    num_walks: int
    walk_length: int
    window: int
    negatives: int
    lr: int | float


class Walk(NamedTuple):
    """How a step is drawn, see `walks_numba.walk_from`."""

    p: float = 1.0
    q: float = 1.0


class _Keys(EmbeddingSettings, WalkSettings):
    """All keys of DeepWalk."""


class DeepWalk(Embedding):
    """`num_walks` walks of `walk_length` nodes from each node, and a skip-gram over them."""

    protocols = ("transductive", INDUCTIVE)
    walk = Walk()

    def __init__(self, **settings: Unpack[_Keys]) -> None:
        super().__init__(dim=settings["dim"], normalize=settings["normalize"])
        for key in ("num_walks", "walk_length", "window", "negatives", "lr"):
            require_positive(f"embedding.{key}", settings[key])
        self.num_walks, self.walk_length = settings["num_walks"], settings["walk_length"]
        self.window, self.negatives, self.lr = (
            settings["window"],
            settings["negatives"],
            settings["lr"],
        )

    def compute(self, edges: Adjacency, seed: int) -> Float32[ndarray, "nodes dim"]:
        state = self._start(edges, seed)
        if edges.training is not None:
            learnt = self._start(edges.training.edges, seed)
            self._learn_all(learnt)
            state = state.with_fixed(edges.training.mask, learnt)
        self._learn_all(state)
        return np.ascontiguousarray(state.rows[:, : self.dim])

    def num_tokens(self, edges: Adjacency) -> int:
        """Return the number of nodes in all walks together."""
        return (edges.num_nodes - edges.num_isolated) * self.num_walks * self.walk_length

    def estimate_s(self, edges: Adjacency, seed: int) -> float | None:
        """Estimate the CPU seconds, from the first walks."""
        state = self._start(edges, seed)
        if len(state.starts) == 0:
            return 0.0
        starts = np.resize(state.starts, self._walks_at_once)
        self._learn(state, starts, 0)  # compiles
        rounds, begin = 0, time.process_time()
        while time.process_time() - begin < TRIAL_S:
            self._learn(state, starts, 0)
            rounds += 1
        each = (time.process_time() - begin) / (rounds * len(starts))
        return each * len(state.starts) * self.num_walks

    @property
    def _walks_at_once(self) -> int:
        return max(1, TOKENS_AT_ONCE // self.walk_length)

    def _start(self, edges: Adjacency, seed: int) -> _State:
        require(
            numba_works(),
            "embedding=deepwalk and embedding=node2vec need Numba, which does not work here; use "
            "embedding=fastrp, netmf or prone",
        )
        generator = np.random.default_rng(seed)
        rows = np.zeros((edges.num_nodes, -(-self.dim // LANES) * LANES), np.float32)
        rows[:, : self.dim] = generator.random((edges.num_nodes, self.dim), dtype=np.float32)
        rows[:, : self.dim] = (rows[:, : self.dim] - np.float32(0.5)) / np.float32(self.dim)
        rows[edges.degree == 0] = 0
        starts = np.flatnonzero(edges.degree).astype(np.int32)
        nobody = np.zeros(0, np.bool_)
        return _State(edges, seed, starts, _noise(edges), rows, np.zeros_like(rows), nobody)

    def _learn_all(self, state: _State) -> None:
        """Draw all walks and learn from them."""
        with progress_bar(self.num_walks * len(state.starts), 0, unit="walk") as bar:
            for round_number in range(self.num_walks):
                order = np.random.default_rng([state.seed, round_number]).permutation(state.starts)
                for start in range(0, len(order), self._walks_at_once):
                    starts = order[start : start + self._walks_at_once]
                    self._learn(state, starts, bar.n)
                    bar.update(len(starts))

    def _learn(self, state: _State, starts: Int32[ndarray, " walks"], done: int) -> None:
        """Draw walks from these starts and learn from them, after `done` others."""
        from redditgnn.embedding.skipgram_numba import learn_walks
        from redditgnn.embedding.walks_numba import walk_from

        keys = np.random.SeedSequence([state.seed, done]).generate_state(2, np.uint64)
        walks = np.empty((len(starts), self.walk_length), np.int32)
        edges = state.edges
        walk_from(starts, keys[0], edges.rowptr, edges.col, self.walk.p, self.walk.q, walks)
        total = self.num_walks * len(state.starts)
        rates = [self._rate(number / total) for number in (done, done + len(starts))]
        learn_walks(
            walks,
            keys[1],
            self.window,
            self.negatives,
            state.noise,
            *rates,
            state.rows.reshape(-1),
            state.contexts.reshape(-1),
            state.rows.shape[1],
            state.fixed,
        )

    def _rate(self, progress: float) -> float:
        """Return the learning rate after this share of all walks."""
        return self.lr * max(1 - progress, LEAST_RATE)


class Node2Vec(DeepWalk):
    """DeepWalk whose walks prefer to return (small `p`) or to leave (small `q`)."""

    def __init__(self, *, p: int | float, q: int | float, **settings: Unpack[_Keys]) -> None:
        super().__init__(**settings)
        require_positive("embedding.p", p)
        require_positive("embedding.q", q)
        self.walk = Walk(float(p), float(q))


class _State(NamedTuple):
    """What walks are drawn from, and the two tables that learn from them, in padded rows.

    Rows of nodes that are marked in `fixed` do not learn. An empty one marks none.
    """

    edges: Adjacency
    seed: int
    starts: Int32[ndarray, " starts"]
    noise: Int32[ndarray, " entries"]
    rows: Float32[ndarray, "nodes width"]
    contexts: Float32[ndarray, "nodes width"]
    fixed: Bool[ndarray, " marks"]

    def with_fixed(self, fixed: Bool[ndarray, " nodes"], learnt: _State) -> _State:
        """Take the rows that the marked nodes have in `learnt`. Walks start from the others."""
        self.rows[fixed], self.contexts[fixed] = learnt.rows, learnt.contexts
        return self._replace(starts=self.starts[~fixed[self.starts]], fixed=fixed)


def _noise(edges: Adjacency) -> Int32[ndarray, " entries"]:
    """Return each node in proportion to its share of all steps, which is its degree, to 0.75."""
    share = edges.degree.astype(np.float64) ** EXPONENT
    size = max(NOISE_SIZE, NOISE_A_NODE * edges.num_nodes)
    counts = np.ceil(share / max(share.sum(), 1) * size).astype(np.int64)
    return np.repeat(np.arange(edges.num_nodes, dtype=np.int32), counts)
