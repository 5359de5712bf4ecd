"""The events of a graph in order, and windows of them. A window has its start and not its end."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from redditgnn.errors import ConfigError, DataError, require, require_positive
from redditgnn.graph.data import GraphData
from redditgnn.runtime.duration import seconds_of

Time = int | float
Span = int | float | str  # a number in the unit of the times, a share such as 10%, or 12h or 1d
Times = Int64[ndarray, " times"] | Float64[ndarray, " times"]
_SHARE = re.compile(r"(\d+(?:\.\d+)?) ?%")


class Window(NamedTuple):
    """The times from `start` on and before `end`."""

    start: Time
    end: Time


def no_times_error(graph: GraphData) -> DataError:
    """Return the error for a graph without times."""
    return DataError(
        f"dataset={graph.name} has no times of nodes or edges; choose dataset=workplace, "
        "highschool, primaryschool or ogbn_arxiv, give dataset=reddit dataset.times=split or the "
        "path of reddit-id_map.json, or name a column of dataset=files with dataset.edge_time or "
        "dataset.node_time"
    )


class Timeline:
    """The events of a graph in order: its edges if these have times, else its nodes.

    Attributes:
        times: The times of all events, ascending. Both directions of an edge are events.
    """

    def __init__(self, graph: GraphData) -> None:
        """Sort the events of `graph`.

        Raises:
            DataError: there are none.
        """
        of_events = graph.node_time if graph.edge_time is None else graph.edge_time
        if of_events is None or len(of_events) == 0:
            raise no_times_error(graph)
        self.times: Times = np.sort(of_events.numpy())

    @property
    def span(self) -> Window:
        """The window of all events."""
        return Window(self.times[0].item(), self.just_after(self.times[-1].item()))

    def just_after(self, time: Time) -> Time:
        """Return the least number above `time` of the type that times have here."""
        if self.times.dtype.kind == "i":
            return math.floor(time) + 1
        return math.nextafter(time, math.inf)

    def moment(self, key: str, value: Span) -> Time:
        """Return the time that `value` of the configuration `key` means.

        A number is itself. A duration counts from the first event. A share is the time of the last
        event in that share of all events.

        Raises:
            ConfigError: `value` is none of these.
        """
        if not isinstance(value, str):
            return value
        share = _share_of(key, value)
        if share is None:
            return float(self.times[0] + _length(key, value))
        return self._time_of_event(share * len(self.times))

    def later(self, key: str, time: Time, span: Span) -> Time:
        """Return the time `span` after `time`. A share is one of all events.

        Raises:
            ConfigError: `span` is no positive number, share or duration.
        """
        share = _share_of(key, span)
        if share is None:
            return time + _length(key, span)
        return self._time_of_event(self._num_until(time) + share * len(self.times))

    def earlier(self, key: str, time: Time, span: Span) -> Time:
        """Return the time `span` before `time`. A share is one of all events.

        Between both there is at least one event if there is one at `time`.

        Raises:
            ConfigError: `span` is no positive number, share or duration.
        """
        share = _share_of(key, span)
        if share is None:
            return time - _length(key, span)
        start = self._time_of_event(self._num_until(time) - share * len(self.times))
        return min(start, self.last_before(time))

    def last_before(self, time: Time) -> Time:
        """Return the time of the last event before `time`. There must be one."""
        before: Time = self.times[self.times.searchsorted(time) - 1].item()
        return before

    def history(self, key: str, time: Time, span: Span | None) -> Window:
        """Return the window of length `span` that ends with `time`, which it contains.

        None is the whole past. A share is one of the events of that past.

        Raises:
            ConfigError: `span` is no positive number, share or duration.
        """
        end, start = self.just_after(time), self.times[0].item()
        if span is None:
            return Window(start, end)
        share = _share_of(key, span)
        if share is None:
            return Window(self.just_after(time - _length(key, span)), end)
        num_before = round((1 - share) * self._num_until(time))
        return Window(self.times[num_before].item(), end)

    def windows(self, key: str, how: int | str, within: Window | None = None) -> list[Window]:
        """Cut the events into windows one after another, without those that have no event.

        Args:
            key: What the configuration calls `how`.
            how: The number of windows, which have equally many events as far as these have
                different times. Or the duration of each, such as 12h or 1d. Times are seconds
                then, and windows of a day begin at midnight if time 0 is one.
            within: The window to cut. None is that of all events.

        Raises:
            ConfigError: there are not so many different times, or `how` is no duration.
        """
        start, end = within or self.span
        times = self.times[slice(*self.times.searchsorted([start, end]))]
        if len(times) == 0:
            return []
        if isinstance(how, str):
            return _windows_of_length(seconds_of(key, how), times, Window(start, end))
        return _windows_of_equal_counts(key, how, times, Window(start, end))

    def _num_until(self, time: Time) -> int:
        return int(self.times.searchsorted(time, "right"))

    def _time_of_event(self, number: float) -> Time:
        """Return the time of the event of this number, counted from 1."""
        last = min(max(1, round(number)), len(self.times))
        time: Time = self.times[last - 1].item()
        return time


def _share_of(key: str, span: Span) -> float | None:
    """Return the share that a text such as 10% means, None for anything else."""
    match = _SHARE.fullmatch(span.strip()) if isinstance(span, str) else None
    if match is None:
        return None
    share = float(match[1]) / 100
    require(0 < share <= 1, f"{key} must be above 0% and at most 100%, got {span}")
    return share


def _length(key: str, span: Span) -> Time:
    if not isinstance(span, str):
        require_positive(key, span)
        return span
    try:
        return seconds_of(key, span)
    except ConfigError as error:
        raise ConfigError(f"{error}; or a share of the events, such as 10%") from error


def _windows_of_length(length: float, times: Times, within: Window) -> list[Window]:
    """Cut at multiples of `length`. Windows without an event are left out."""
    numbers = np.unique(np.floor_divide(times, length)).tolist()
    of_length = (Window(number * length, (number + 1) * length) for number in numbers)
    return [Window(max(w.start, within.start), min(w.end, within.end)) for w in of_length]


def _windows_of_equal_counts(key: str, number: int, times: Times, within: Window) -> list[Window]:
    """Cut before the times at which the counts are nearest to equal. No window is empty."""
    require_positive(key, number)
    different, counts = np.unique(times, return_counts=True)
    require(
        number <= len(different),
        f"{key} must be at most {len(different)}, the number of different times there, got "
        f"{number}",
    )
    num_until = np.cumsum(counts)
    starts = [0]
    for k in range(1, number):
        nearest = int(np.abs(num_until - k * len(times) / number).argmin()) + 1
        starts.append(min(max(nearest, starts[-1] + 1), len(different) - (number - k)))
    borders = [within.start, *different[starts[1:]].tolist(), within.end]
    return [Window(*pair) for pair in pairwise(borders)]
