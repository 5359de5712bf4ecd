"""runs.csv: appended whole, never rewritten, never mixed."""

from __future__ import annotations

import csv
import errno
import multiprocessing
import resource
from pathlib import Path

import pytest

from redditgnn.errors import DataError, NotRecorded
from redditgnn.metric.base import METRIC_NAMES
from redditgnn.record import recorder
from redditgnn.record.recorder import EpochRecorder, append_run, prepare_record, write_json
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.runtime import files


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


def test_a_file_with_other_columns_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("run_id,score\nold,1\n")
    with pytest.raises(DataError, match="has other columns than this version writes"):
        prepare_record(tmp_path)
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
    values = dict.fromkeys(EpochRow.__dataclass_fields__, 0.5) | {
        "epoch": 1,
        "val_loss": None,
        "val": dict.fromkeys(METRIC_NAMES, 0.5),
    }
    recorder.record(EpochRow(**values))
    lines = (tmp_path / "epochs.csv").read_text().splitlines()
    recorder.close()
    assert lines[0].startswith("epoch,train_loss")
    assert lines[1].startswith("1,0.5,0.5,,0.5")


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_row_that_finds_no_room_is_kept_elsewhere(tmp_path, monkeypatch):
    append_run(row(1), tmp_path)
    before = (tmp_path / "runs.csv").read_bytes()
    (tmp_path / "runs" / "run2").mkdir(parents=True)
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(NotRecorded, match="No space left on device; its row is in .*row-run2.csv"):
        append_run(row(2), tmp_path)
    assert (tmp_path / "runs.csv").read_bytes() == before
    with (tmp_path / "runs" / "run2" / "row-run2.csv").open(newline="") as file:
        assert [line["run_id"] for line in csv.DictReader(file)] == ["run2"]


def test_a_row_that_finds_no_room_anywhere_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recorder, "append_row", full_disk)
    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(NotRecorded, match="its row is printed above"):
        append_run(row(2), tmp_path)
    (line,) = csv.DictReader(capsys.readouterr().err.splitlines())
    assert line["run_id"] == "run2"


def append_with_a_limit(folder: Path) -> None:
    size = (folder / "runs.csv").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, size + 10))
    try:
        append_run(row(2), folder)
    except NotRecorded:
        raise SystemExit(3) from None


def test_a_write_that_the_system_cuts_off_leaves_no_trace(tmp_path):
    append_run(row(1), tmp_path)
    before = (tmp_path / "runs.csv").read_bytes()
    worker = multiprocessing.get_context("spawn").Process(
        target=append_with_a_limit, args=(tmp_path,)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == 3
    assert (tmp_path / "runs.csv").read_bytes() == before


def test_a_results_dir_that_cannot_be_written_is_told_before_a_run(tmp_path):
    (tmp_path / "runs.csv").mkdir()
    with pytest.raises(DataError, match="runs.csv cannot be written: Is a directory; set another"):
        prepare_record(tmp_path)


class Full:
    writerow = staticmethod(full_disk)


def test_an_epoch_that_finds_no_room_ends_the_run_in_one_line(tmp_path):
    epochs = EpochRecorder(tmp_path)
    epochs._epochs._writer = Full()
    values = dict.fromkeys(EpochRow.__dataclass_fields__, 0.5) | {
        "epoch": 1,
        "val_loss": None,
        "val": dict.fromkeys(METRIC_NAMES, 0.5),
    }
    with pytest.raises(NotRecorded, match="epochs.csv cannot be written: No space left"):
        epochs.record(EpochRow(**values))
    epochs.close()
