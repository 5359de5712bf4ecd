"""Fingerprints: read back as written, and they say what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from redditgnn.errors import ConfigError
from redditgnn.graph.fingerprint import Fingerprint

REDDIT = Fingerprint(
    "114615892:aaaa", "602:bbbb", "41:cccc", "153431/23831/55703:dddd", "transductive", "exact"
)
REDDIT2 = replace(REDDIT, edges="23213838:eeee", split="153932/23699/55334:ffff")


def test_it_is_read_back_as_it_was_written() -> None:
    assert Fingerprint.parse(str(REDDIT)) == REDDIT


def test_the_two_reddits_differ_in_edges_and_split() -> None:
    edges, split = REDDIT2.differences(REDDIT)
    assert "23,213,838 edges (eeee) here, 114,615,892 edges (aaaa) there" in edges
    assert split.startswith("the split")
    assert REDDIT.differences(REDDIT) == []


def test_a_target_may_know_sizes_only() -> None:
    sizes = Fingerprint.of({"edges": 114615892, "split": "153431/23831/55703"})
    assert REDDIT.differences(sizes) == []
    assert len(REDDIT2.differences(sizes)) == 2


def test_equal_sizes_with_other_content_differ() -> None:
    normalised = replace(REDDIT, features="602:1234")
    assert normalised.differences(REDDIT) == [
        "the features (or their normalisation or storage) differ: 602 a node (1234) here, "
        "602 a node (bbbb) there"
    ]


def test_a_part_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no part 'edgs'; the parts are edges, fea"):
        Fingerprint.of({"edgs": 1})
    with pytest.raises(ConfigError, match="there is no part '5c25f5cb259d8177-transductive'"):
        Fingerprint.parse("5c25f5cb259d8177-transductive")
