"""One process beside several: sides, rows and the table."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import pytest

from scripts.bench import parallel
from scripts.bench.parallel import WORKS, Measured, ParallelRow, Side
from scripts.bench.rows.sheet import Sheet
from scripts.bench.timing.memory import CPU
from scripts.bench.timing.shared_memory import MemoryOfRanks, Occupied
from scripts.tables import parallel as table
from tests.scripts.bench.test_programs import run_program

ROW = ParallelRow(
    program="parallel",
    dataset="sbm 0.2",
    nodes=10,
    edges=20,
    work="data sage neighbor",
    side="",
    reference="1 x 1",
    processes=1,
    threads=1,
)
MEASURED = {
    "1 x 1": Measured([4.0, 4.4, 4.2], memory=[Occupied(900, 500), Occupied(1000, 600)]),
    "2 x 1": Measured([2.0, 2.2, 2.1], [0.1, 0.3], 1.5, [Occupied(1520, 800)], "gloo"),
    "4 x 1": Measured(failure="redditgnn: lost"),
}


def rows() -> list[ParallelRow]:
    sides = [Side(1, 1), Side(2, 1), Side(4, 1)]
    return [parallel.row_of(ROW, side, MEASURED) for side in sides]


@pytest.mark.parametrize(
    ("cores", "expected"),
    [(1, []), (2, ["1 x 2", "2 x 1"]), (6, ["1 x 2", "1 x 4", "2 x 1", "4 x 1"])],
)
def test_there_are_as_many_processes_as_the_machine_has_cores(monkeypatch, cores, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    options = argparse.Namespace(device="cpu", baseline="abc")
    names = [side.name for side in parallel.sides_of(WORKS["data sage neighbor"], options)]
    assert names == ["1 x 1", *expected]
    sides = parallel.sides_of(WORKS["none sage neighbor"], options)
    assert [side.name for side in sides] == ["1 x 1 of abc", "1 x 1"]


def test_memory_is_compared_with_one_process_and_private_parts_of_the_others() -> None:
    one, two, failed = rows()
    assert (one.pss_mib, one.pss_ratio) == (1000, None)
    assert two.pss_ratio == 1520 / (1000 + 600)
    assert (two.ratio, two.wait_share, two.backend) == (0.5, 0.2, "gloo")
    assert (failed.status, failed.note) == ("failed", "redditgnn: lost")


def test_the_table_has_a_line_a_side(tmp_path: Path) -> None:
    assert table.section(tmp_path) == table.NOTHING
    sheet = Sheet(tmp_path / "cpu-parallel.csv", CPU)
    for row in rows():
        sheet.write(row)
    text = table.section(tmp_path)
    where = "| data sage neighbor | sbm 0.2 |"
    assert f"{where} 1 x 1 | 4.2 [4.08, 4.32], n=3 |  |  |  | 1,000 |  |" in text
    assert f"{where} 2 x 1 | 2.1 [2.04, 2.16], n=3 | 0.50 | 20% | 1.5 | 1,520 | 0.95 |" in text
    assert f"{where} 4 x 1 | failed: redditgnn: lost |" in text


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux has it")
def test_the_memory_of_a_process_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.bench.timing.shared_memory.PERIOD_S", 0.01)
    with MemoryOfRanks(os.getpid(), 1) as memory:
        deadline = time.monotonic() + 10
        while not memory.peak.pss and time.monotonic() < deadline:
            time.sleep(0.01)
    assert memory.peak.pss > memory.peak.private / 2 > 0


@pytest.mark.slow
def test_processes_are_measured_end_to_end(tmp_path: Path) -> None:
    options = ("--scale", "0.02", "--rounds", "1", "--data-dir", str(tmp_path / "data"))
    only = "partition sage full,none sage neighbor"
    measured = run_program(
        "parallel", *options, "--baseline", "HEAD", "--only", only, out=tmp_path / "p.csv"
    )
    assert {row["status"] for row in measured} == {"completed"}
    by_side = {(row["work"], row["side"]): row for row in measured}
    two = by_side["partition sage full", "2 x 1"]
    assert float(two["wait_share"]) > 0
    assert float(two["sent_mib"]) > 0
    assert float(by_side["none sage neighbor", "1 x 1"]["ratio"]) > 0
