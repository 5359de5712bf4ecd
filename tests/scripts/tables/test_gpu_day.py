"""The page of a day with a GPU in docs/performance.md."""

from __future__ import annotations

from pathlib import Path

import torch

from redditgnn.record.provenance import provenance
from scripts.bench.rows.row import Row
from scripts.bench.rows.sheet import Sheet, append
from scripts.bench.timing.memory import CPU
from scripts.tables.gpu_day import section

STAGE = {"stage": "sage", "status": "timeout", "seconds": "240.0", "note": "", "scale": "1"}


def test_without_a_day_the_section_says_so(tmp_path: Path) -> None:
    assert section(tmp_path).endswith("has not run on a GPU.")


def test_the_section_has_the_latest_stages_and_the_rows_of_their_device(tmp_path: Path) -> None:
    facts = {name: provenance(torch.device("cpu"))[name] for name in ("device", "device_name")}
    facts |= {"commit": "0123456789", "dirty": False}
    append(tmp_path / "gpu-day.csv", STAGE | facts)
    append(tmp_path / "gpu-day.csv", STAGE | facts | {"status": "completed", "seconds": "100.0"})
    assert "| sage | completed | 100.0 |" in section(tmp_path)
    row = Row(
        program="step",
        dataset="sbm 1",
        nodes=1,
        edges=1,
        work="sage epoch",
        side="ours",
        reference="ours",
        median_s=0.1,
        low_s=0.1,
        high_s=0.1,
    )
    Sheet(tmp_path / "cpu-step.csv", CPU).write(row)
    text = section(tmp_path)
    assert f"### {facts['device_name']}" in text
    assert "| sage epoch | sbm 1 | 0.1 | none |" in text
    assert "timeout" not in text
    assert "Code: 0123456." in text
