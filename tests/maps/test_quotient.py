"""The quotient graph: its ratios, its strongest ties, and places without overlaps."""

from __future__ import annotations

import numpy as np
import pytest

from redditgnn.maps.quotient import LEAST_RADIUS, MOST, TIES, Quotient
from redditgnn.partition.blocks import Blocks


def blocks_from(edges: np.ndarray, sizes: list[int]) -> Blocks:
    """Return blocks of a symmetric matrix of edges, whose diagonal counts each edge twice."""
    first, second = edges.nonzero()
    values = edges[first, second].astype(np.float64)
    return Blocks(
        sizes=np.array(sizes),
        first=first,
        second=second.astype(np.uint32),
        edges=values,
        weight=values,
        degree_entropy=0.0,
        logs=None,
    )


def random_blocks(count: int) -> Blocks:
    draw = np.random.default_rng(0)
    edges = draw.poisson(1, (count, count)) + np.diag(draw.integers(20, 90, count) * 2)
    sizes = sorted(draw.integers(1, 500, count).tolist(), reverse=True)
    return blocks_from(edges + edges.T, sizes)


def test_the_ratio_is_the_weight_over_that_expected_for_the_same_degrees() -> None:
    edges = np.array([[20, 4, 0], [4, 10, 2], [0, 2, 8]])
    quotient = Quotient.of(blocks_from(edges, [9, 6, 5]))
    volume = edges.sum(1)
    assert np.allclose(quotient.ratio, edges * edges.sum() / np.outer(volume, volume))
    assert quotient.edges.tolist() == [[10, 4, 0], [4, 5, 2], [0, 2, 4]]


def test_a_tie_is_among_the_strongest_of_one_of_its_ends_and_none_is_without_edges() -> None:
    quotient = Quotient.of(random_blocks(20))
    between = quotient.ratio - np.diag(np.diag(quotient.ratio))
    ranks = (-between).argsort(1, kind="stable").argsort(1, kind="stable")
    expected = ((ranks < TIES) | (ranks.T < TIES)) & (between > 0)
    assert quotient.ties().tolist() == np.argwhere(np.triu(expected)).tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 25, MOST, MOST + 40])
def test_no_two_circles_overlap_and_places_are_the_same_again(count: int) -> None:
    quotient = Quotient.of(random_blocks(count))
    places, radii = quotient.places(), quotient.radii()
    assert len(places) == min(count, MOST)
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    least = radii[:, None] + radii[None]
    np.fill_diagonal(least, 0)
    assert (apart >= least - 1e-6).all()
    assert places.tobytes() == Quotient.of(random_blocks(count)).places().tobytes()


def test_communities_without_ties_are_in_rows_below_the_others() -> None:
    edges = np.diag([40] * 8)
    edges[0, 1] = edges[1, 0] = 3
    quotient = Quotient.of(blocks_from(edges, [5000, 5000, *[1] * 6]))
    places, radii = quotient.places(), quotient.radii()
    assert (radii[2:] == LEAST_RADIUS).all()
    assert (places[2:, 1] - radii[2:]).min() > (places[:2, 1] + radii[:2]).max()


def test_areas_of_circles_are_as_the_numbers_of_nodes() -> None:
    radii = Quotient.of(blocks_from(np.diag([8, 4, 2]), [400, 200, 100])).radii()
    assert np.allclose(radii**2 / radii[2] ** 2, [4, 2, 1])


def test_communities_that_share_edges_are_neighbours_in_the_order() -> None:
    edges = np.diag([90] * 6)
    for a, b in ((0, 3), (1, 4), (2, 5)):
        edges[a, b] = edges[b, a] = 40
    place = Quotient.of(blocks_from(edges, [10] * 6)).order().argsort()
    assert [abs(place[a] - place[b]) for a, b in ((0, 3), (1, 4), (2, 5))] == [1, 1, 1]


def test_a_graph_without_edges_has_places_too() -> None:
    quotient = Quotient.of(blocks_from(np.zeros((4, 4), int), [1] * 4))
    assert len(quotient.ties()) == 0
    assert np.isfinite(quotient.places()).all()
