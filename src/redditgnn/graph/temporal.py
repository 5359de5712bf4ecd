"""The past to train on, and the windows of the future to test on: `protocol=temporal`.

Where nodes have times, they are split by them: training nodes came by `until`, validation nodes in
the time after that, test nodes later. The split of the dataset is not used.

Where only edges have times, all nodes are there all the time. The dataset's split says which of
them train, validate and test, and time decides which edges a model sees. A node without an edge in
a window is not scored there.

A model that answers at the end of a window sees the edges of the last `history` before it.

Before a later window, a split with more of the past can take the place of the first: see `before`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from redditgnn.errors import ConfigError, require
from redditgnn.graph.data import GraphData, Split
from redditgnn.graph.timeline import Span, Time, Timeline, Window
from redditgnn.graph.times import merge_repeated, snapshot


@dataclass(frozen=True, slots=True)
class WindowTest:
    """The test at the end of a window: the graph that is seen there, and the nodes that are scored.

    Attributes:
        first, last: The times of the first and the last event in the window.
        graph: All nodes, and the edges of the history up to `last`.
        nodes: The nodes that are scored.
    """

    split: Split
    first: Time
    last: Time
    graph: GraphData
    nodes: Bool[Tensor, " nodes"]


class TemporalSplit:
    """Cuts a graph by time.

    Attributes:
        until: The last time that training sees.
        validation: The window of validation.
        tests: The windows of the tests, one after another.
        graph: The whole graph. Its masks are by time where nodes have times.
    """

    def __init__(
        self,
        graph: GraphData,
        *,
        until: Span,
        validation: Span,
        windows: int | str,
        history: Span | None,
        repeated: Literal["keep", "merge"],
    ) -> None:
        """Find the borders.

        Raises:
            DataError: the graph has no times.
            ConfigError: training, validation or the test would be empty.
        """
        self._timeline, self._history, self._repeated = Timeline(graph), history, repeated
        line, self._validation_span = self._timeline, validation
        first, end = line.span
        self.until = line.moment("protocol.until", until)
        _require_inside("protocol.until", until, self.until, line)
        last_validation = line.later("protocol.validation", self.until, validation)
        _require_inside("protocol.validation", validation, last_validation, line)
        self.validation = Window(line.just_after(self.until), line.just_after(last_validation))
        self.tests = line.windows("protocol.windows", windows, Window(self.validation.end, end))
        self.graph = self._masked(graph)
        _require_nodes(self.graph)

    def before(self, window: Window) -> TemporalSplit:
        """Return the split whose past is all that lies before `window`, which is its only test.

        Validation is as long as here and ends with the last event before `window`.

        Raises:
            ConfigError: training or validation would be empty.
        """
        line, split = self._timeline, copy.copy(self)
        split.__dict__.pop("train_graph", None)
        last = line.last_before(window.start)
        split.until = line.earlier("protocol.validation", last, self._validation_span)
        split.validation = Window(line.just_after(split.until), window.start)
        split.tests = [window]
        split.graph = split._masked(self.graph)
        _require_nodes(split.graph)
        return split

    def _masked(self, graph: GraphData) -> GraphData:
        """Return `graph` with masks by time where nodes have times."""
        time = graph.node_time
        if time is None:
            return graph
        labelled = graph.y >= 0 if graph.y.dim() == 1 else (graph.y >= 0).any(1)
        start, end = self.validation
        return replace(
            graph,
            train_mask=labelled & (time < start),
            val_mask=labelled & (time >= start) & (time < end),
            test_mask=labelled & (time >= end),
        )

    @cached_property
    def train_graph(self) -> GraphData:
        """The graph that training sees: no node, edge or label of it is of a later time."""
        graph, time = self.graph, self.graph.node_time
        if time is not None:
            graph = graph.subgraph(time < self.validation.start)
        nobody = torch.zeros(graph.num_nodes, dtype=torch.bool)
        graph = replace(graph, val_mask=nobody, test_mask=nobody)
        return self._seen_at(graph, self.until)

    def at(self, split: Split, window: Window) -> WindowTest:
        """Return the test at the end of `window`."""
        times = self._timeline.times
        start, end = times.searchsorted(window)
        first, last = times[start].item(), times[end - 1].item()
        seen = self._seen_at(self.graph, last)
        nodes = self.graph.mask(split)
        if self.graph.node_time is None:
            active = seen.degree > 0
            active[seen.col.long()] = True
            nodes = nodes & active
        else:
            time = self.graph.node_time
            nodes = nodes & (time >= window.start) & (time < window.end)
        return WindowTest(split, first, last, seen, nodes)

    def validation_test(self) -> WindowTest:
        """Return the test of the validation.

        Raises:
            ConfigError: no node is scored in it.
        """
        test = self.at("val", self.validation)
        require(bool(test.nodes.any()), self._nobody("validation"))
        return test

    def scored_windows(self) -> Iterator[tuple[Window, WindowTest]]:
        """Yield the windows in which a node is scored, and their tests.

        Raises:
            ConfigError: there is none.
        """
        num_tests = 0
        for window in self.tests:
            test = self.at("test", window)
            if test.nodes.any():
                num_tests += 1
                yield window, test
        require(num_tests > 0, self._nobody("test"))

    def scored_window(self, number: int | None) -> tuple[int, WindowTest]:
        """Return the window of this number, counted from 1, in which a node is scored.

        None is the last one.

        Raises:
            ConfigError: there are fewer.
        """
        last = 0
        for last, (_, test) in enumerate(self.scored_windows(), start=1):
            if last == number:
                return last, test
        require(
            number is None,
            f"--window must be 1 to {last}, a line of the run's ages.csv, got {number}",
        )
        return last, test

    def check_updates(self) -> None:
        """Refuse a model of its own for each window, if one of them could not be validated.

        Raises:
            ConfigError: no node is scored in its validation.
        """
        for number, (window, _) in enumerate(self.scored_windows()):
            if number > 0:
                self.before(window).validation_test()

    def _nobody(self, split: str) -> str:
        return (
            f"protocol=temporal: no {split} node of dataset={self.graph.name} has an edge in the "
            f"history of its window; choose a longer protocol.history than {self._history}"
        )

    def _seen_at(self, graph: GraphData, time: Time) -> GraphData:
        """Return the graph of the last `history` up to `time`, which counts."""
        window = self._timeline.history("protocol.history", time, self._history)
        seen = snapshot(graph, window).graph
        return seen if self._repeated == "keep" else merge_repeated(seen, counts=False)


def _require_inside(key: str, value: Span, time: Time, line: Timeline) -> None:
    first, last = line.times[0].item(), line.times[-1].item()
    if not first <= time < last:
        raise ConfigError(
            f"{key}={value} ends at {time:.12g}, and there must be events before and after that: "
            f"the times of this graph are {first:.12g} to {last:.12g}; choose another"
        )


def _require_nodes(graph: GraphData) -> None:
    for key, split in (("until", "train"), ("validation", "val"), ("validation", "test")):
        mask: Tensor = getattr(graph, f"{split}_mask")
        require(
            bool(mask.any()),
            f"protocol.{key} leaves no labelled {split} node in dataset={graph.name}; choose "
            "another time ('redditgnn data' prints their range)",
        )
