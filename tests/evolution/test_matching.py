"""Communities keep their ids, and what happens to them is found."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redditgnn.evolution.matching import ABSENT, Event, events, identities, linked, overlaps

GROUPS = st.lists(st.integers(-1, 4), min_size=1, max_size=14)


def groups(*sizes: tuple[int, int]) -> np.ndarray:
    """Nodes in order: so many of this community, so many of that."""
    return np.repeat([community for community, _ in sizes], [size for _, size in sizes])


def test_each_kind_of_event_is_found_with_its_communities_and_sizes():
    before = groups((0, 10), (1, 8), (2, 6), (3, 6), (4, 7), (5, 9), (6, 3), (ABSENT, 15))
    after = groups(
        *(
            (0, 10),
            (1, 5),
            (7, 3),
            (2, 12),
            (ABSENT, 7),
        ),  # 0 stays, 1 splits, 2 and 3 merge, 4 ends
        *((5, 3), (ABSENT, 6), (6, 3), (6, 4), (8, 11)),  # 5 shrinks, 6 grows, 8 begins
    )
    assert sorted(events(before, after, 0.5)) == [
        Event("birth", (), (8,), 0, 11, 0),
        Event("continue", (0,), (0,), 10, 10, 10),
        Event("death", (4,), (), 7, 0, 0),
        Event("grow", (6,), (6,), 3, 7, 3),
        Event("merge", (2, 3), (2,), 12, 12, 12),
        Event("shrink", (5,), (5,), 9, 3, 3),
        Event("split", (1,), (1, 7), 8, 8, 8),
    ]


def test_a_community_that_scatters_dies_and_one_from_all_over_is_born():
    before, after = np.repeat([0, 1, 2], 6), np.tile([3, 4, 5], 6)
    kinds = [event.kind for event in events(before, after, 0.5)]
    assert sorted(kinds) == ["birth"] * 3 + ["death"] * 3


def test_the_threshold_says_how_many_nodes_a_link_takes():
    before, after = groups((0, 10)), groups((0, 7), (1, 3))
    assert [e.kind for e in events(before, after, 0.5)] == ["split"]
    before, after = groups((0, 10), (1, 10)), groups((0, 7), (1, 3), (1, 7), (0, 3))
    assert [e.kind for e in events(before, after, 0.6)] == ["continue"] * 2
    assert sorted(e.kind for e in events(before, after, 0.7)) == ["birth"] * 2 + ["death"] * 2


def test_the_larger_part_keeps_the_id_and_new_ones_are_never_used_again():
    before, after = groups((4, 10), (2, 5)), groups((1, 6), (0, 4), (2, 5))
    assert identities(linked(before, after, 0.5), 3, next_id=9).tolist() == [9, 4, 2]


@settings(max_examples=60, deadline=None)
@given(GROUPS, st.randoms(use_true_random=False))
def test_ids_keep_as_many_nodes_as_any_matching_of_linked_communities(values, random):
    before = np.array(values)
    after = np.array([random.randint(-1, 3) for _ in values])
    number = int(after.max(initial=-1)) + 1
    links = linked(before, after, 0.5)
    common = np.zeros((5, max(number, 1)), int)
    common[links.first, links.second] = links.nodes
    ids = identities(links, number, next_id=5)
    ours = sum(common[i, b] for b, i in enumerate(ids) if i < 5)
    places = list(range(5)) + [None] * number
    best = max(
        sum(common[a, b] for b, a in enumerate(chosen) if a is not None)
        for chosen in set(permutations(places, number))
    )
    assert ours == best
    assert len(set(ids.tolist())) == number


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=20))
def test_every_community_has_an_event_and_time_backwards_turns_events_around(pairs):
    before, after = np.array(pairs).T
    forward, backward = events(before, after, 0.5), events(after, before, 0.5)
    for side, values in (("before", before), ("after", after)):
        named = {number for event in forward for number in getattr(event, side)}
        assert named == set(values[values >= 0].tolist())
    opposite = {
        **{"split": "merge", "merge": "split", "grow": "shrink", "shrink": "grow"},
        **{"birth": "death", "death": "birth", "continue": "continue"},
    }
    turned = [Event(opposite[e.kind], e.after, e.before, e[4], e[3], e[5]) for e in backward]
    assert sorted(turned) == sorted(forward)


def test_overlaps_count_the_nodes_that_are_in_both():
    before, after = np.array([0, 0, 1, -1, 1]), np.array([1, 1, 0, 0, -1])
    found = [tuple(map(int, pair)) for pair in zip(*overlaps(before, after), strict=True)]
    assert found == [(0, 1, 2), (1, 0, 1)]


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_the_same_communities_under_other_numbers_continue(threshold):
    before, numbers = np.repeat([3, 1, 0], [5, 4, 2]), np.array([2, 1, 9, 0])
    after = np.unique(numbers[before], return_inverse=True)[1]
    ids = identities(linked(before, after, threshold), 3, next_id=4)
    assert ids[after].tolist() == before.tolist()
