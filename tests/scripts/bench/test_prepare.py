"""What the stages of a day share: graphs, and partitions that were computed before."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import prepare


def test_every_graph_of_the_stages_is_generated_and_none_is_too_small() -> None:
    assert prepare.graph_scales(1) == [0.01, 0.03, 0.1, 0.3, 1.0]
    assert prepare.graph_scales(0.01) == [0.003, 0.01]


def test_packed_partitions_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    packed, there = tmp_path / "packed", tmp_path / "there"
    graph = prepare.load(tmp_path / "here", 0.002)
    prepare.pack_partitions(graph, packed)
    (path,) = packed.iterdir()
    assert np.unique(np.load(path)).tolist() == list(range(prepare.PARTS))
    (packed / path.name.replace("metis-40", "metis-41")).write_bytes(b"of other parts")
    monkeypatch.setattr(prepare, "PACKED", packed)
    prepare.generate(there, [0.002, 0.003])
    copies = [copy.read_bytes() for copy in there.rglob("metis-*.npy")]
    assert copies == [path.read_bytes()]  # not into the cache of the other graph
