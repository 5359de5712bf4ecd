"""Items prepared ahead: their order, their errors, and the end of the thread."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from redditgnn.trainer.epoch import DEPTH, Prefetched


def sampler_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sampler")]


def test_items_come_in_their_order() -> None:
    assert list(Prefetched(range(50))) == list(range(50))
    assert list(Prefetched([])) == []
    assert not sampler_threads()


def test_a_few_items_are_made_ahead_and_no_more() -> None:
    made: list[int] = []
    enough = threading.Event()

    def items() -> Iterator[int]:
        for number in count():
            made.append(number)
            if len(made) == 1 + DEPTH:
                enough.set()
            yield number

    prefetched = iter(Prefetched(items()))
    assert next(prefetched) == 0
    assert enough.wait(60)
    assert len(made) == 1 + DEPTH
    prefetched.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise RuntimeError("no sixth")

    prefetched = iter(Prefetched(items()))
    assert [next(prefetched) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="no sixth"):
        next(prefetched)
    assert not sampler_threads()


def test_leaving_the_loop_ends_the_thread() -> None:
    for _ in Prefetched(count()):
        assert sampler_threads()
        break
    assert not sampler_threads()


def test_an_error_in_the_loop_ends_the_thread() -> None:
    try:
        for item in Prefetched(count()):
            raise ValueError(item)
    except ValueError:
        pass
    assert not sampler_threads()


def test_an_interrupt_ends_the_thread() -> None:
    def items() -> Iterator[int]:
        for number in range(10_000):  # an end, should the interrupt hit where Python drops it
            if number == 20:
                _thread.interrupt_main()
            yield number

    try:
        for _ in Prefetched(items()):
            pass
    except KeyboardInterrupt:
        pass
    assert not sampler_threads()


def test_seconds_of_preparation_are_counted() -> None:
    prefetched = Prefetched(range(10))
    assert prefetched.prepare_s == 0
    list(prefetched)
    assert prefetched.prepare_s > 0
