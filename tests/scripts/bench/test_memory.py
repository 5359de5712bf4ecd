"""The picture of memory against the size of the graph."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from scripts.bench.memory import MemoryRow, draw


def test_a_picture_is_drawn_of_the_points(tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "program": "memory",
        "edges": 1,
        "reference": "",
        "num_parts": 2,
        "batch_nodes": 5,
    }
    facts |= {"batch_edges": 9, "halo": 1, "dataset": "", "work": "gcn"}
    points = [
        MemoryRow(**facts, nodes=n, side=side, graph="sbm", scale=n, histories_mib=n, extra_mib=n)
        for n in (100, 2000)
        for side in ("full", "gas")
    ]
    rows = pd.DataFrame([asdict(point) for point in points])
    draw(rows, tmp_path / "memory.png")
    assert (tmp_path / "memory.png").stat().st_size > 10_000
