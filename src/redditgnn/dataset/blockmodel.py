"""Edges of a degree-corrected stochastic block model (Karrer and Newman 2011, arXiv:1008.3926).

Departs from the paper: the numbers of edges inside and between classes are exact. No pair of nodes
is linked twice, and no node to itself. A class too small for its share of the edges is filled to
`MAX_DENSITY`, and larger classes take the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8, Int32, Int64
from numpy import ndarray

from redditgnn.runtime.numba_threads import numba_works

MAX_DENSITY = 0.5  # of the pairs inside a class
MAX_DENSITY_BETWEEN = 0.2  # of the pairs between classes
_MAX_RACE = 60_000_000  # pairs: above this, drawing with repetition takes less memory
_DRAWS_AT_ONCE = 2**22  # the same numbers in pieces, which take less memory
_STUBS_PER_NODE = 200  # resolution of the degrees that the draws follow


def class_sizes(num_nodes: int, num_classes: int, skew: int | float) -> Int64[ndarray, " classes"]:
    """Share `num_nodes` among classes, the k-th in proportion to `k ** -skew`, at least 2 each."""
    share = np.arange(1.0, num_classes + 1) ** -skew
    bounds = np.rint(np.cumsum(share / share.sum()) * (num_nodes - 2 * num_classes))
    sizes: Int64[ndarray, " classes"] = np.diff(bounds, prepend=0).astype(np.int64) + 2
    return sizes


def degree_weights(
    num_nodes: int, *, skew: int | float, max_ratio: int | float, rng: np.random.Generator
) -> Float64[ndarray, " nodes"]:
    """Draw relative degrees of mean 1: log-normal of spread `skew`, cut off at `max_ratio`."""
    weights: Float64[ndarray, " nodes"] = rng.lognormal(0.0, skew, num_nodes)
    weights = np.minimum(weights / weights.mean(), max_ratio)
    weights /= weights.mean()
    return weights


def quotas(
    sizes: Int64[ndarray, " classes"], num_edges: int, homophily: int | float
) -> tuple[Int64[ndarray, " classes"], int]:
    """Return the numbers of undirected edges inside each class, and between classes.

    Edges inside follow the sizes up to `MAX_DENSITY`. Where the graph has too little room, both
    numbers shrink together: the homophily stays and the degree falls.
    """
    room = (MAX_DENSITY * (sizes * (sizes - 1) // 2)).astype(np.int64)
    num_nodes = int(sizes.sum())
    room_between = MAX_DENSITY_BETWEEN * (num_nodes**2 - int((sizes**2).sum())) / 2
    total = min(
        num_edges,
        int(room.sum() / homophily) if homophily > 0 else num_edges,
        int(room_between / (1 - homophily)) if homophily < 1 else num_edges,
    )
    inside = min(round(homophily * total), int(room.sum()))
    return _fill_classes(sizes, room, inside), total - inside


def _fill_classes(
    share: Int64[ndarray, " classes"], room: Int64[ndarray, " classes"], total: int
) -> Int64[ndarray, " classes"]:
    """Distribute `total` in proportion to `share`, no class above its `room`."""
    filled = np.zeros_like(room)
    while (remaining := total - int(filled.sum())) > 0:
        open_share = np.where(filled < room, share, 0)
        step = np.ceil(remaining * (open_share / open_share.sum())).astype(np.int64)
        step = np.minimum(step, room - filled)
        overshoot = np.cumsum(step) - remaining
        filled += np.clip(step - np.maximum(overshoot, 0), 0, None)
    return filled


def block_model_edges(
    labels: Int64[ndarray, " nodes"],
    weights: Float64[ndarray, " nodes"],
    *,
    num_edges: int,
    homophily: int | float,
    rng: np.random.Generator,
) -> tuple[Int32[ndarray, " edges"], Int32[ndarray, " edges"]]:
    """Draw undirected edges, each once. Expected degrees are proportional to `weights`."""
    by_class = np.argsort(labels, kind="stable").astype(np.int32)
    sizes = np.bincount(labels)
    inside, between = quotas(sizes, num_edges, homophily)
    ends = np.empty((2, int(inside.sum()) + between), np.int32)
    done = 0
    for start, size, quota in zip(np.cumsum(sizes) - sizes, sizes, inside.tolist(), strict=True):
        pairs = _draw_inside(weights[by_class[start : start + size]], quota, rng)
        ends[:, done : done + quota] = by_class[start : start + size][pairs]
        done += quota
    ends[:, done:] = by_class[_draw_between(weights[by_class], labels[by_class], between, rng)]
    return ends[0], ends[1]


def _draw_inside(
    weights: Float64[ndarray, " members"], quota: int, rng: np.random.Generator
) -> Int32[ndarray, "2 edges"]:
    """Draw `quota` pairs, one after the other, in proportion to the product of their weights."""
    num_pairs = len(weights) * (len(weights) - 1) // 2
    if num_pairs <= _MAX_RACE and quota > 0.02 * num_pairs:
        return _race(weights, quota, rng)
    stubs = _build_stubs(weights)

    def draw(count: int) -> Int64[ndarray, " drawn"]:
        source, target = _draw_ends(stubs, count, rng)
        return _number_pairs(source, target, source != target, len(weights))

    return _split_keys(_draw_distinct(draw, quota, rng), len(weights))


def _race(
    weights: Float64[ndarray, " members"], quota: int, rng: np.random.Generator
) -> Int32[ndarray, "2 edges"]:
    """Let every pair finish after an exponential time and keep the first `quota`.

    The distribution is that of drawing without replacement (Efraimidis and Spirakis 2006). The cost
    does not grow when a few heavy pairs are drawn again and again.
    """
    last = len(weights) - 1
    starts = np.concatenate([[0], np.cumsum(np.arange(last, 0, -1))])
    finish = rng.standard_exponential(int(starts[-1]), dtype=np.float32)
    weights = weights.astype(np.float32)
    for node in range(last):
        finish[starts[node] : starts[node + 1]] /= weights[node] * weights[node + 1 :]
    limit = np.partition(finish, quota - 1)[quota - 1]
    winners = np.flatnonzero(finish <= limit)[:quota]
    source = np.searchsorted(starts, winners, side="right") - 1
    return np.stack([source, winners - starts[source] + source + 1]).astype(np.int32)


def _draw_between(
    weights: Float64[ndarray, " nodes"],
    labels: Int64[ndarray, " nodes"],
    quota: int,
    rng: np.random.Generator,
) -> Int32[ndarray, "2 edges"]:
    stubs = _build_stubs(weights)

    def draw(count: int) -> Int64[ndarray, " drawn"]:
        source, target = _draw_ends(stubs, count, rng)
        return _number_pairs(source, target, labels[source] != labels[target], len(weights))

    return _split_keys(_draw_distinct(draw, quota, rng), len(weights))


def _build_stubs(weights: Float64[ndarray, " nodes"]) -> Int32[ndarray, " stubs"]:
    """Repeat each node in proportion to its weight: a uniform draw then follows the weights."""
    count = np.maximum(np.rint(weights * _STUBS_PER_NODE), 1).astype(np.int64)
    return np.repeat(np.arange(len(weights), dtype=np.int32), count)


def _draw_ends(
    stubs: Int32[ndarray, " stubs"], count: int, rng: np.random.Generator
) -> Int32[ndarray, "2 drawn"]:
    ends = np.empty((2, count), np.int32)
    for row in ends:
        for start in range(0, count, _DRAWS_AT_ONCE):
            piece = row[start : start + _DRAWS_AT_ONCE]
            piece[:] = stubs[rng.integers(0, len(stubs), size=len(piece))]
    return ends


def _number_pairs(
    source: Int32[ndarray, " drawn"],
    target: Int32[ndarray, " drawn"],
    allowed: Bool[ndarray, " drawn"],
    num_nodes: int,
) -> Int64[ndarray, " kept"]:
    """Number the unordered pairs, so that duplicates are equal integers."""
    source, target = source[allowed], target[allowed]
    low = np.minimum(source, target).astype(np.int64)
    keys: Int64[ndarray, " kept"] = low * num_nodes + np.maximum(source, target)
    return keys


def _draw_distinct(
    draw: Callable[[int], Int64[ndarray, " drawn"]], quota: int, rng: np.random.Generator
) -> Int64[ndarray, " quota"]:
    """Draw until there are `quota` distinct keys, and drop a surplus at random."""
    keys = np.empty(0, dtype=np.int64)
    while (num_missing := quota - len(keys)) > 0:
        keys = _distinct(np.concatenate([keys, draw(num_missing + num_missing // 2 + 64)]))
    surplus = rng.choice(len(keys), len(keys) - quota, replace=False, shuffle=False)
    return np.delete(keys, surplus)


def _distinct(keys: Int64[ndarray, " drawn"]) -> Int64[ndarray, " distinct"]:
    """Return what `np.unique` does: by a sort, which is faster than its hashing."""
    keys.sort()
    return keys[np.diff(keys, prepend=-1) > 0]


def _split_keys(keys: Int64[ndarray, " edges"], num_nodes: int) -> Int32[ndarray, "2 edges"]:
    pairs = np.empty((2, len(keys)), dtype=np.int32)
    pairs[0], pairs[1] = np.divmod(keys, max(num_nodes, 1))
    return pairs


def symmetric_csr(
    source: Int32[ndarray, " edges"], target: Int32[ndarray, " edges"], num_nodes: int
) -> tuple[Int64[ndarray, " nodes_plus_1"], Int32[ndarray, " symmetric"]]:
    """Return both directions of undirected edges as CSR with ascending columns."""
    if numba_works():
        from redditgnn.graph.undirected_numba import both_directions

        rowptr, col = both_directions(source, target, num_nodes)
        for start, end in pairwise(rowptr.tolist()):
            col[start:end].sort()
        return rowptr, col
    from scipy import sparse

    ones: Int8[ndarray, " edges"] = np.ones(len(source), dtype=np.int8)
    upper = sparse.coo_array((ones, (source, target)), shape=(num_nodes, num_nodes)).tocsr()
    symmetric = (upper + upper.T.tocsr()).tocsr()
    symmetric.sort_indices()
    return symmetric.indptr.astype(np.int64), symmetric.indices.astype(np.int32, copy=False)


def class_features(
    labels: Int64[ndarray, " nodes"],
    *,
    num_features: int,
    latent_features: int,
    signal: int | float,
    rng: np.random.Generator,
) -> Float[ndarray, "nodes features"]:
    """Draw features: a latent normal vector around the class's centre, mixed, plus a little noise.

    Each feature adds four latent coordinates with random signs. Only elementwise operations are
    used, whose results do not depend on a BLAS library or its threads.
    """
    centres = rng.standard_normal((int(labels.max()) + 1, latent_features), dtype=np.float32)
    mixed = rng.integers(0, latent_features, size=(4, num_features))
    signs = rng.choice(np.array([-0.5, 0.5], dtype=np.float32), size=(4, num_features))
    x = np.empty((len(labels), num_features), dtype=np.float32)
    for rows in np.array_split(np.arange(len(labels)), len(labels) // 4096 + 1):
        latent = rng.standard_normal((len(rows), latent_features), dtype=np.float32)
        latent += np.float32(signal) * centres[labels[rows]]
        part = rng.standard_normal((len(rows), num_features), dtype=np.float32)
        part *= np.float32(0.1)
        for index, sign in zip(mixed, signs, strict=True):
            part += sign * latent[:, index]
        x[rows[0] : rows[-1] + 1] = part
    return x
