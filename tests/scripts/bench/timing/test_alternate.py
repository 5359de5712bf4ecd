"""Sides take turns, warm-up does not count, ratios are of the same round."""

from __future__ import annotations

import pytest
import torch

from scripts.bench.timing.alternate import Side, Timing, alternate, paired_ratio, spread


class Clock:
    """A clock that only calls of sides move."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, ""

    def side(self, name: str, *seconds: float, warms_up: bool = True) -> Side:
        coming = iter(seconds)

        def call() -> None:
            self.calls += name
            self.now += next(coming)

        return Side(name, call, warms_up)

    def __call__(self) -> float:
        return self.now


def test_sides_take_turns_and_the_one_that_begins_changes() -> None:
    clock = Clock()
    sides = [clock.side("a", 9, 1, 1, 1), clock.side("b", 9, 2, 2, 2)]
    timings = alternate(sides, repeats=3, budget_s=0, clock=clock)
    assert clock.calls == "ab" + "ab" + "ba" + "ab"
    assert timings["a"].seconds == [1, 1, 1]
    assert timings["b"].seconds == [2, 2, 2]


def test_warming_up_is_not_counted_and_can_be_left_out() -> None:
    clock = Clock()
    sides = [clock.side("a", 100, 1), clock.side("b", 5, warms_up=False)]
    timings = alternate(sides, repeats=1, budget_s=0, clock=clock)
    assert clock.calls == "aab"
    assert (timings["a"].seconds, timings["b"].seconds) == ([1], [5])


def test_rounds_go_on_until_the_budget_is_spent() -> None:
    clock = Clock()
    timings = alternate([clock.side("a", *[1] * 20)], repeats=2, budget_s=5, clock=clock)
    assert len(timings["a"].seconds) == 6


def test_a_side_without_memory_is_left_out_and_the_others_go_on() -> None:
    clock = Clock()

    def fails() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate\nmore")

    sides = [clock.side("a", 1, 1, 1), Side("b", fails)]
    timings = alternate(sides, repeats=2, budget_s=0, clock=clock)
    assert len(timings["a"].seconds) == 2
    assert timings["b"].out_of_memory == "CUDA out of memory. Tried to allocate"


def test_an_error_that_is_not_lack_of_memory_is_not_hidden() -> None:
    def fails() -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        alternate([Side("a", fails)], repeats=1, budget_s=0)


def test_quantiles_are_those_at_20_and_80_percent() -> None:
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0, 6.0]) == (3.5, 2.0, 5.0)


def test_ratios_are_of_the_same_round() -> None:
    ratio = paired_ratio(Timing([2.0, 20.0, 8.0]), Timing([1.0, 10.0, 2.0]))
    assert ratio.median == 2.0
    assert ratio.high > 2.0
