"""Stages run one after the other within their time, and what is done is not done again."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from scripts.bench import gpu_day
from scripts.bench.gpu_day import Ending, Stage, completed_stages, run_day, run_stage
from scripts.bench.gpu_page import AIMS, page


def stage(name: str, *programs: str, limit_s: float = 60) -> Stage:
    commands = [[sys.executable, "-c", program] for program in programs]
    return Stage(name=name, limit_s=limit_s, commands=commands)


@pytest.fixture
def run() -> list[tuple[str, Ending]]:
    """The stages that were recorded."""
    return []


def test_a_stage_that_fails_says_why_and_the_next_one_runs(run: list) -> None:
    days = [stage("bad", "print(1)", "raise SystemExit('no memory')", "print(2)")]
    days.append(stage("good", "print('fine')"))
    assert run_day(days, 600, lambda *ended: run.append(ended))
    (bad, failed), (good, completed) = run
    assert (bad.name, failed.status, failed.note) == ("bad", "failed", "exit code 1: no memory")
    assert (good.name, completed.status, completed.note) == ("good", "completed", "fine")


def test_a_stage_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    program = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
child.wait()
"""
    ending = run_stage(stage("hangs", program), limit_s=3)
    assert ending.status == "timeout"
    deadline, pid = time.monotonic() + 30, int((tmp_path / "pid").read_text())
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_alive(pid)


def test_an_interrupted_day_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"""
import os, time
open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
print("ready", flush=True)
time.sleep(600)
"""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_stage(stage("interrupted", program), limit_s=60)
    assert not _is_alive(int((tmp_path / "pid").read_text()))


def _is_alive(pid: int) -> bool:
    """Whether a process runs: one that ended and whose parent did not ask is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_without_time_a_stage_is_not_begun_and_a_cut_one_is_not_recorded(
    run: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not run_day([stage("later", "print(1)")], 1, lambda *ended: run.append(ended))
    monkeypatch.setattr(gpu_day, "LEAST_S", 0)
    slow = stage("cut", "import time; time.sleep(600)", limit_s=60)
    assert not run_day([slow], 1, lambda *ended: run.append(ended))
    assert run == []


def test_the_next_call_skips_what_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    program = f"open({str(mark)!r}, 'a').write('x')"
    days = [stage("tests", program), stage("sage", f"{program}; raise SystemExit(1)")]
    monkeypatch.setattr(gpu_day, "stages", lambda *_: days)
    call = ["--device", "cpu", "--scale", "0.01", "--out", str(tmp_path / "day.csv")]
    assert [gpu_day.main(call), gpu_day.main(call)] == [1, 1]
    assert mark.read_text() == "xxx"  # the one that failed comes again
    rows = pd.read_csv(tmp_path / "day.csv")
    assert rows.status.tolist() == ["completed", "failed", "failed"]
    name = rows.device_name[0]
    assert completed_stages(tmp_path / "day.csv", name, 0.01) == {"tests"}
    assert completed_stages(tmp_path / "day.csv", name, 1) == set()
    assert completed_stages(tmp_path / "day.csv", "another", 0.01) == set()
    assert gpu_day.main([*call, "--again"]) == 1
    assert mark.read_text() == "xxxxx"


def test_stages_name_programs_and_works_that_exist(tmp_path: Path) -> None:
    for each in gpu_day.stages("cuda", 1.0, tmp_path, tmp_path):
        for command in each.commands:
            program = command[command.index("-m") + 1]
            path = gpu_day.ROOT / (program.replace(".", os.sep) + ".py")
            assert program == "pytest" or path.exists()
        assert each.limit_s <= 240


def test_the_page_about_gpus_names_every_stage(tmp_path: Path) -> None:
    text = (gpu_day.ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}
    documented = {name for row in rows for name in row.split(", ")} - {"stage", "---"}
    assert documented == {each.name for each in gpu_day.stages("cuda", 1.0, tmp_path, tmp_path)}


ROW = {"measured_at": "2026-01-01", "dataset": "sbm 1", "status": "completed", "floor_s": None}
ROW |= {"extra_mib": 100.0, "median_s": 1.0, "note": None, "ratio": None}


def lines(*rows: dict) -> list[str]:
    return list(page(pd.DataFrame([{**ROW, **row} for row in rows])))


def test_the_page_says_whether_the_aims_are_met() -> None:
    work = "sage epoch"
    peer = {"work": work, "side": "pyg", "median_s": 6.0}
    _, line = lines({"work": work, "side": "ours", "median_s": 0.2}, peer)
    assert line.split() == ["sage", "epoch", "sbm", "1", "0.2", "pyg", "30.0", "100", "met"]
    _, line = lines({"work": work, "side": "ours", "median_s": 0.1}, peer)
    assert line.endswith("aim reached")
    _, line = lines({"work": work, "side": "ours", "median_s": 0.4}, peer)
    assert line.endswith("MISSED: ratio below 20")


def test_the_page_says_what_ran_out_of_memory_and_nothing_about_other_graphs() -> None:
    work = "full gat 3 layers 1 head"
    assert lines({"work": work, "side": "ours", "status": "oom", "median_s": None})[1].endswith(
        "MISSED: oom"
    )
    assert "met" not in lines({"work": work, "side": "ours", "dataset": "sbm 0.1"})[1]
    wrong = {"work": work, "side": "ours", "dataset": "sbm 0.1", "status": "failed"}
    assert lines(wrong)[1].endswith("MISSED: failed")
    attention = "gatv2 8x8 forward_backward"
    ours = {"work": attention, "side": "ours", "median_s": 0.09, "floor_s": 0.03}
    _, line = lines(ours, {"work": attention, "side": "pyg", "status": "oom", "median_s": None})
    assert line.split()[-5:] == ["0.09", "oom", "3.0", "100", "met"]


def test_works_without_a_peer_have_a_line_for_each_side() -> None:
    work = {"work": "history transfers", "reference": "near"}
    near = {**work, "side": "near", "median_s": 0.5}
    far = {**work, "side": "far", "median_s": 0.6, "ratio": 1.25, "note": "80% hidden"}
    _, first, second = lines(near, far)
    assert first.split() == ["history", "transfers:", "near", "sbm", "1", "0.5", "100"]
    assert second.split()[2:] == ["far", "sbm", "1", "0.6", "near", "0.80", "100", "80%", "hidden"]
    failed = {**far, "status": "failed", "median_s": None, "ratio": None, "note": "wrong numbers"}
    assert lines(near, failed)[2].endswith("MISSED: failed wrong numbers")


def test_every_aim_is_of_a_work_of_some_stage(tmp_path: Path) -> None:
    commands = [
        " ".join(c) for s in gpu_day.stages("cuda", 1.0, tmp_path, tmp_path) for c in s.commands
    ]
    for work in AIMS:
        assert any(work.removesuffix(" forward_backward") in command for command in commands)
