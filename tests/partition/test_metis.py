"""METIS in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.graph.data import GraphData
from redditgnn.partition import metis, parts


def test_a_process_of_its_own_gives_the_same_parts_and_leaves_nothing(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    graph = make_graph(num_nodes=60, num_edges=300)
    rowptr, col = graph.rowptr.numpy(), graph.col.numpy()
    here = metis.partition(rowptr, col, 5, None)
    monkeypatch.setattr(metis, "MAX_EDGES_IN_PROCESS", 0)
    there = metis.partition(rowptr, col, 5, tmp_path)
    assert here.tolist() == there.tolist()
    assert set(here) == set(range(5))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "last", "error", "message"),
    [
        (-9, "", MemoryError, "METIS was killed by signal 9"),
        (1, "why", RuntimeError, "METIS failed: why"),
        (1, "RuntimeError: METIS_ERROR_MEMORY", MemoryError, "METIS failed: .*MEMORY"),
    ],
)
def test_a_process_that_fails_says_why(
    code: int,
    last: str,
    error: type[Exception],
    message: str,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    graph = make_graph()
    done = subprocess.CompletedProcess([], code, stderr=f"Traceback\n{last}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(metis, "MAX_EDGES_IN_PROCESS", 0)
    with pytest.raises(error, match=message):
        metis.partition(graph.rowptr.numpy(), graph.col.numpy(), 5, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_too_large_for_metis_is_told(
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph = make_graph(num_nodes=20, num_edges=60)
    parts.parts_of(graph, 2)
    assert not caplog.text
    monkeypatch.setattr(parts, "free_memory", lambda device: 10)
    parts.parts_of(graph, 2)
    assert "if it fails, use sampler.partition=leiden, random or order" in caplog.text
