"""What a graph of 1.6 billion edges would take."""

from __future__ import annotations

import pytest

from redditgnn.runtime.memory import GIB
from scripts.tables import large_graphs as table
from scripts.tables.large_graphs import Need, hops


def test_the_page_holds_the_table() -> None:
    assert table.main(["--check"]) == 0


def test_a_target_reaches_the_product_of_the_fanouts() -> None:
    assert hops() == 1 + 15 + 15 * 10 + 15 * 10 * 5


@pytest.mark.parametrize(
    ("place", "gib", "verdict"),
    [
        ("disk", 10_000, "yes"),
        ("memory", 49, "yes"),
        ("memory", 50, "**no**"),
        ("GPU", 18, "yes"),
        ("GPU", 19, "**no**"),
        ("page cache", 49, "stays there"),
        ("page cache", 50, "does not stay there"),
    ],
)
def test_a_fifth_of_memory_and_a_quarter_of_the_gpu_are_left_free(
    place: table.Place, gib: int, verdict: str
) -> None:
    assert Need("x", "", gib * GIB, place).verdict == verdict
