"""runs.csv: appended whole, never rewritten, never mixed."""

from __future__ import annotations

import csv
import multiprocessing
from pathlib import Path

import pytest

from redditgnn.errors import ConfigError
from redditgnn.recorder import EpochRecorder, EpochRow, RunRow, append_run, write_json


def row(number: int) -> RunRow:
    return RunRow(
        run_id=f"run{number}",
        started_at="2026-01-01T00:00:00+00:00",
        status="completed",
        dataset="d",
        model="m",
        sampler="s",
        seed=number,
        protocol="transductive",
        config_hash="c",
        commit="",
        dirty=None,
        torch_version="",
        pyg_version="",
        device="cpu",
        device_name='a "quoted", name',
        hyperparameters="{}",
    )


def append_many(folder: Path, start: int) -> None:
    for number in range(start, start + 20):
        append_run(row(number), folder)


def test_processes_that_append_at_once_lose_no_row(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(tmp_path, 100 * i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {line["run_id"] for line in rows} == {
        f"run{100 * i + j}" for i in range(3) for j in range(20)
    }
    assert all(line["device_name"] == 'a "quoted", name' for line in rows)


def test_a_file_with_other_columns_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run_id,score\nold,1\n")
    with pytest.raises(ConfigError, match="has other columns than this version writes .2, not"):
        append_run(row(1), tmp_path)
    assert path.read_text() == "run_id,score\nold,1\n"


def test_a_result_is_never_written_over_another(tmp_path: Path) -> None:
    write_json({"a": 1}, tmp_path / "run.json")
    with pytest.raises(FileExistsError):
        write_json({"a": 2}, tmp_path / "run.json")
    EpochRecorder(tmp_path).close()
    with pytest.raises(FileExistsError):
        EpochRecorder(tmp_path)


def test_an_epoch_is_on_disk_as_soon_as_it_is_recorded(tmp_path: Path) -> None:
    recorder = EpochRecorder(tmp_path)
    values = dict.fromkeys(EpochRow.__dataclass_fields__, 0.5) | {"epoch": 1, "val_loss": None}
    recorder.record(EpochRow(**values))
    lines = (tmp_path / "epochs.csv").read_text().splitlines()
    recorder.close()
    assert lines[0].startswith("epoch,train_loss")
    assert lines[1].startswith("1,0.5,0.5,,0.5")
