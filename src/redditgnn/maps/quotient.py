"""The quotient graph of communities: its strongest ties, a place for each node, and an order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from redditgnn.partition.blocks import Blocks

MOST = 60  # communities that are drawn, the largest
TIES = 3  # of a community that are drawn, the strongest
SIDE = 700.0  # of the square that places are in, before circles are pushed apart
CIRCLES = 0.22  # share of the square that all circles cover
LEAST_RADIUS = 5.0
GAP = 4.0  # between two circles
STEPS = 300


@dataclass(frozen=True, kw_only=True)
class Quotient:
    """The largest communities. The last two are matrices of each with each.

    Attributes:
        sizes: Nodes of each.
        edges: Edges between two, and inside of one. Each counts once.
        ratio: The weight of edges, over that expected for the same degrees.
    """

    sizes: Int64[ndarray, " drawn"]
    edges: Int64[ndarray, "drawn drawn"]
    ratio: Float64[ndarray, "drawn drawn"]

    @classmethod
    def of(cls, blocks: Blocks) -> Quotient:
        """Take the first `MOST` communities, which are numbered from the largest."""
        count = min(MOST, len(blocks.sizes))
        drawn = (blocks.first < count) & (blocks.second < count)
        place = blocks.first[drawn], blocks.second[drawn].astype(np.int64)
        edges, weight = np.zeros((2, count, count))
        edges[place], weight[place] = blocks.edges[drawn], blocks.weight[drawn]
        edges[np.diag_indices(count)] /= 2
        volume = blocks.volume(blocks.weight)
        expected = np.outer(volume[:count], volume[:count]) / max(volume.sum(), 1e-300)
        ratio = np.divide(weight, expected, out=np.zeros_like(weight), where=expected > 0)
        return cls(sizes=blocks.sizes[:count], edges=edges.astype(np.int64), ratio=ratio)

    def ties(self) -> Int64[ndarray, "ties 2"]:
        """Return the pairs that are among the `TIES` strongest of one of them, in order."""
        between = self.ratio.copy()
        np.fill_diagonal(between, 0)
        strongest = np.argsort(-between, axis=1, kind="stable")[:, :TIES]
        first = np.repeat(np.arange(len(between)), strongest.shape[1])
        pairs = np.sort(np.stack([first, strongest.ravel()], 1), axis=1)
        pairs = pairs[between[pairs[:, 0], pairs[:, 1]] > 0]
        return np.unique(pairs, axis=0).astype(np.int64)

    def order(self) -> Int64[ndarray, " drawn"]:
        """Return the communities so that those with strong ties are neighbours.

        It is the order of the leaves of average linkage (Bar-Joseph et al. 2001).
        """
        from scipy.cluster.hierarchy import leaves_list, linkage

        if len(self.sizes) < 3:
            return np.arange(len(self.sizes))
        strength = np.log1p(self.ratio)
        distance = strength.max() - strength[np.triu_indices(len(strength), 1)]
        return leaves_list(linkage(distance, "average", optimal_ordering=True)).astype(np.int64)

    def radii(self) -> Float64[ndarray, " drawn"]:
        """Return radii of circles whose areas are as the sizes, except for the smallest."""
        area = CIRCLES * SIDE**2 * self.sizes / self.sizes.sum()
        return np.maximum(np.sqrt(area / np.pi), LEAST_RADIUS)

    def places(self) -> Float64[ndarray, "drawn 2"]:
        """Return the centre of each circle. No two circles overlap.

        Distances are near the number of ties on the shortest way (Gansner et al. 2004).
        Communities without ties are in rows below.
        """
        places, radii = np.zeros((len(self.sizes), 2)), self.radii()
        tied = np.isin(np.arange(len(places)), self.ties())
        if tied.any():
            order = [number for number in self.order() if tied[number]]
            angle = np.empty(len(places))
            angle[order] = 2 * np.pi * np.arange(len(order)) / len(order)
            circle = np.stack([np.cos(angle[tied]), np.sin(angle[tied])], 1)
            unfolded = _unfolded(circle, self._steps()[np.ix_(tied, tied)])
            unfolded *= SIDE / np.ptp(unfolded, axis=0).max()
            places[tied] = _pushed_apart(unfolded, radii[tied])
        low = (places + radii[:, None])[tied].max(0, initial=0)
        left = (places - radii[:, None])[tied].min(0, initial=0)[0]
        places[~tied] = _in_rows(radii[~tied]) + (left, low[1] + GAP)
        return places

    def _steps(self) -> Float64[ndarray, "drawn drawn"]:
        """Return the number of ties on the shortest way between two, one more than any if none."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import shortest_path

        count, (first, second) = len(self.sizes), self.ties().T
        ties = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
        steps = shortest_path(ties.tocsr(), directed=False, unweighted=True)
        reached = np.isfinite(steps)
        return np.where(reached, steps, steps[reached].max() + 1)


def _unfolded(
    places: Float64[ndarray, "drawn 2"], distance: Float64[ndarray, "drawn drawn"]
) -> Float64[ndarray, "drawn 2"]:
    """Move places until they are about as far apart as `distance` says (stress majorization)."""
    weight = np.divide(1, distance**2, out=np.zeros_like(distance), where=distance > 0)
    inverse = np.linalg.pinv(_laplacian(weight))
    for _ in range(STEPS):
        away = np.linalg.norm(places[:, None] - places[None], axis=2)
        pull = np.divide(weight * distance, away, out=np.zeros_like(away), where=away > 1e-9)
        places = inverse @ (_laplacian(pull) @ places)
    return places


def _in_rows(radii: Float64[ndarray, " drawn"]) -> Float64[ndarray, "drawn 2"]:
    """Return places from the left to the right, and in further rows below."""
    places, x, y, height = np.zeros((len(radii), 2)), 0.0, 0.0, 0.0
    for number, radius in enumerate(radii):
        if x and x + 2 * radius > SIDE:
            x, y, height = 0.0, y + height, 0.0
        places[number] = x + radius, y + radius
        x, height = x + 2 * radius + GAP, max(height, 2 * radius + GAP)
    return places


def _laplacian(weight: Float64[ndarray, "drawn drawn"]) -> Float64[ndarray, "drawn drawn"]:
    return np.diag(weight.sum(1)) - weight


def _pushed_apart(
    places: Float64[ndarray, "drawn 2"], radii: Float64[ndarray, " drawn"]
) -> Float64[ndarray, "drawn 2"]:
    """Push overlapping circles apart, and spread all of them if that is not enough."""
    least = radii[:, None] + radii[None] + GAP
    np.fill_diagonal(least, 0)
    for _ in range(STEPS):
        apart = places[:, None] - places[None]
        away = np.maximum(np.linalg.norm(apart, axis=2), 1e-9)
        lacking = np.maximum(least - away, 0)
        if not lacking.any():
            return places
        places = places + ((lacking / away / 2)[..., None] * apart).sum(1)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, 1)
    return places * max(1.0, (least / np.maximum(apart, 1e-9)).max())
