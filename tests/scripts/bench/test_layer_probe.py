"""A side of a layer in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from redditgnn.graph.data import GraphData
from scripts.bench.cases.layer_works import LayerWork
from scripts.bench.cases.layers import Layer, LayerCase
from scripts.bench.cases.setup import Setup
from scripts.bench.layer_probe import probe_here, probe_in_process
from scripts.bench.peers.layers import PLAIN, SIDES
from scripts.bench.timing.memory import CPU


@pytest.mark.slow
def test_a_peer_that_lacks_memory_says_so_from_a_process_of_its_own(tmp_path: Path) -> None:
    work = LayerWork(name="w", kind="gat", heads=8, channels=8)
    setup = Setup(
        dataset="sbm",
        scale=0.02,
        data_dir=str(tmp_path),
        device_name="cpu",
        repeats=1,
        budget_s=0,
        memory_limit_gib=0.3,
    )
    probe = probe_in_process(work, PLAIN, "forward_backward", setup)
    assert probe.status == "oom"  # one tensor of edges x 64 takes 0.16 GiB, and it needs several
    assert "allocate" in probe.note


def test_a_side_with_wrong_numbers_fails_and_has_no_time(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, graph = LayerWork(name="w", kind="sage", in_channels=4, channels=8), make_graph()
    assert probe_here(work, PLAIN, "forward_backward", graph, CPU).status == "completed"
    right = SIDES[PLAIN]

    def wrong(case: LayerCase) -> Layer:
        layer = right(case)
        return lambda h: 1.01 * layer(h)

    monkeypatch.setitem(SIDES, PLAIN, wrong)
    probe = probe_here(work, PLAIN, "forward_backward", graph, CPU)
    assert (probe.status, probe.seconds) == ("failed", None)
    assert probe.note == "wrong numbers: 1.0e-02 from float64"
