"""Runs whose layers are stages of a pipeline: the files of one process, whatever happens."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run.launches import codes_of, outcome, rows_of, start_ranks, wait_for

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4"),
    *("model=gcn", "model.num_layers=3", "model.hidden_channels=8", "model.norm=batch"),
    *("sampler=gas", "sampler.num_parts=4", "sampler.batch_size=1", "sampler.refresh_every=2"),
    *("trainer.epochs=3", "trainer.batches_per_step=2", "trainer.eval_chunk_edges=2000"),
    *("scheduler=step", "scheduler.step_size=1", "device=cpu"),
)
STAGES = ("parallel=pipeline", "parallel.timeout=60s")


@pytest.fixture
def start(fork, data_dir, tmp_path) -> Callable[..., list]:
    """Start the stages of a run, as torchrun does."""

    def started(size: int, *arguments: str) -> list:
        folders = f"data_dir={data_dir}", f"results_dir={tmp_path / 'results'}"
        return start_ranks(fork, [("train", *SMALL, *STAGES, *folders, *arguments)] * size)

    return started


def state_files(results: Path) -> list[str]:
    paths = (*results.glob("runs/*/checkpoint.pt"), *results.glob("runs/*/checkpoint-*.pt"))
    return sorted(path.name for path in paths)


def test_a_signal_to_one_stage_stops_all_and_they_resume_to_the_files_of_one_process(
    start, alone, tmp_path
):
    mark, results = tmp_path / "mark", tmp_path / "results"
    stages = start(2, f"pause=0:2:2:{mark}")
    wait_for(mark)
    stages[1].send_signal(signal.SIGTERM)
    time.sleep(0.2)
    mark.unlink()
    assert codes_of(stages) == [130, 130]
    assert [row["status"] for row in rows_of(results)] == ["interrupted"]
    histories = ["checkpoint-1-4-0-of-2.pt", "checkpoint-1-4-1-of-2.pt"]  # all of the second epoch
    assert state_files(results) == [*histories, "checkpoint.pt"]
    assert codes_of(start(2)) == [0, 0]
    rows = rows_of(results)
    assert [row["status"] for row in rows] == ["interrupted", "completed"]
    assert rows[0]["run_id"] == rows[1]["run_id"]
    assert outcome(results) == outcome(alone)
    assert state_files(results) == []
    (expected,) = rows_of(alone)
    same = ("config_hash", "fingerprint", "batches_per_step", "test_micro_f1", "val_mcc")
    assert {name: rows[1][name] for name in same} == {name: expected[name] for name in same}
    assert [rows[1][name] for name in ("parallel", "processes")] == ["pipeline", "2"]
    assert float(rows[1]["wait_s"]) > 0
    assert float(rows[1]["sent_mib"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 3])
def test_another_number_of_stages_resumes_after_a_kill(start, alone, tmp_path, size):
    mark, results = tmp_path / "mark", tmp_path / "results"
    stages = start(2, f"pause=0:2:2:{mark}", "trainer.checkpoint_every=1")
    wait_for(mark)
    stages[1].kill()
    mark.unlink()
    assert codes_of(stages) == [3, -signal.SIGKILL]
    (row,) = rows_of(results)
    assert row["status"] == "failed"
    assert "lost the others" in row["error"]
    assert codes_of(start(size, "trainer.checkpoint_every=1")) == [0] * size
    assert rows_of(results)[1]["run_id"] == row["run_id"]
    assert outcome(results) == outcome(alone)
