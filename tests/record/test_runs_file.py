"""runs.csv survives crashes, full disks, spreadsheets and older versions."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from redditgnn.errors import DataError
from redditgnn.record import runs_file
from redditgnn.record.runs_file import append_row, complete, locked, read_rows
from redditgnn.runtime import files

COLUMNS = ["run_id", "score", "hyperparameters"]
HEADER = "run_id,score,hyperparameters\n"
GOOD = 'a,0.5,"{""x"": 1}"\n'

CUT_OFF = {
    "in the middle of a field": "b,0.",
    "behind a field": "b,0.5,",
    "inside quotes": 'b,0.5,"{""x"": ',
    "before its end, where only the JSON tells": "b,0.5,{",
    "by a power failure, which leaves zeros": "\0\0\0\0",
    "and written behind by an older version": f"b,0.5,{GOOD[:-1]}\n",
    "inside quotes and written behind": f'b,0.5,"{{""x"": {GOOD[:-1]}\n',
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "runs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def append(path: Path, run_id: str) -> None:
    with locked(path):
        complete(path, COLUMNS, ["run_id"])
        append_row(path, COLUMNS, {"run_id": run_id, "score": 1.5, "hyperparameters": "{}"})


def aside(path: Path) -> str:
    (found,) = path.parent.glob("runs.csv.rejected-*")
    return found.read_text()


@pytest.mark.parametrize("torn", CUT_OFF.values(), ids=CUT_OFF.keys())
def test_a_line_that_was_cut_off_is_set_aside_when_read(torn, tmp_path, capsys):
    path = written(tmp_path, HEADER + GOOD + torn)
    _, rows = read_rows(path)
    assert [row["run_id"] for row in rows] == ["a"]
    assert path.read_text() == HEADER + GOOD
    assert aside(path) == HEADER + torn
    assert "a line that had been cut off went to runs.csv.rejected-" in capsys.readouterr().err
    assert read_rows(path)[1] == rows


@pytest.mark.parametrize("torn", ["b,0.", 'b,0.5,"{""x"": '])
def test_a_row_is_appended_behind_whole_rows_only(torn, tmp_path):
    path = written(tmp_path, HEADER + GOOD + torn)
    append(path, "c")
    assert path.read_text() == f"{HEADER}{GOOD}c,1.5,{{}}\n"
    assert aside(path) == HEADER + torn


def test_rows_between_which_one_was_cut_off_stay_as_they_are(tmp_path):
    other = GOOD.replace("a,0.5", "z,0.25")
    path = written(tmp_path, HEADER + GOOD + "b,0.\n" + other)
    assert [row["run_id"] for row in read_rows(path)[1]] == ["a", "z"]
    assert path.read_text() == HEADER + GOOD + other


def test_a_whole_last_row_without_an_end_is_data(tmp_path):
    path = written(tmp_path, HEADER + GOOD.rstrip("\n"))
    append(path, "c")
    assert path.read_text() == f"{HEADER}{GOOD}c,1.5,{{}}\n"
    assert not list(tmp_path.glob("*rejected*"))


def test_a_header_that_was_cut_off_makes_room_for_a_new_one(tmp_path):
    path = written(tmp_path, "run_id,sco")
    append(path, "c")
    assert path.read_text().replace("\r\n", "\n") == f"{HEADER}c,1.5,{{}}\n"
    assert aside(path) == "run_id,sco"


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")])
def test_marks_and_line_ends_of_other_systems_are_read_and_kept(change, tmp_path):
    before = change(HEADER + GOOD)
    path = written(tmp_path, before)
    append(path, "c")
    columns, rows = read_rows(path)
    assert columns == COLUMNS
    assert [row["run_id"] for row in rows] == ["a", "c"]
    assert path.read_bytes().startswith(before.encode())
    assert path.read_bytes().endswith(before.encode()[-2:] if "\r" in before else b"\n")


@pytest.mark.parametrize("read", [read_rows, lambda path: complete(path, COLUMNS, [])])
def test_a_file_whose_lines_end_in_cr_alone_is_refused_and_stays(read, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_bytes(b"run_id,status\ra,completed\rb,completed\r")
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(DataError, match="is no table of runs: its first line is"):
            read(path)
    assert [p.name for p in tmp_path.iterdir() if "lock" not in p.name] == ["runs.csv"]
    assert path.read_bytes() == before


def test_lines_that_end_in_a_cr_too_many_are_read(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_bytes(b"run_id,status\r\r\na,completed\r\r\nb,failed\r\r\n")
    before = path.read_bytes()
    assert [row["status"] for row in read_rows(path)[1]] == ["completed", "failed"]
    assert path.read_bytes() == before


def test_semicolons_are_answered_with_a_remedy(tmp_path):
    path = written(tmp_path, (HEADER + GOOD).replace(",", ";"))
    with pytest.raises(DataError, match="has semicolons .*; save it with commas"):
        read_rows(path)


def test_a_file_of_an_older_version_is_completed_and_kept(tmp_path, capsys):
    before = 'run_id,hyperparameters\na,"{""x"": 1}"\n'
    path = written(tmp_path, before)
    append(path, "c")
    assert path.read_text() == HEADER + 'a,,"{""x"": 1}"\nc,1.5,{}\n'
    (kept,) = tmp_path.glob("runs.csv.before-*")
    assert kept.read_text() == before
    assert f"new columns score; the old is {kept.name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "message"),
    [("run_id,other\n", "'other' is unknown"), ("score\n", "'run_id' is miss")],
)
def test_columns_that_do_not_fit_are_refused_and_stay(header, message, tmp_path):
    path = written(tmp_path, header)
    with pytest.raises(DataError, match=message):
        append(path, "c")
    assert path.read_text() == header


WRITER = """
import sys
from pathlib import Path
from redditgnn.record.runs_file import append_row, complete, locked
path, name, columns = Path(sys.argv[1]), sys.argv[2], ["run_id", "score", "hyperparameters"]
for number in range(25):
    with locked(path):
        complete(path, columns, ["run_id"])
        append_row(path, columns, {"run_id": f"{name}-{number}", "hyperparameters": "x" * 5000})
"""


def test_eight_processes_that_append_at_once_lose_no_row(tmp_path):
    path = tmp_path / "runs.csv"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(number)]) for number in range(8)]
    assert [writer.wait() for writer in writers] == [0] * 8
    _, rows = read_rows(path)
    assert sorted(row["run_id"] for row in rows) == sorted(
        f"{writer}-{number}" for writer in range(8) for number in range(25)
    )
    assert {row["hyperparameters"] for row in rows} == {"x" * 5000}
    assert len(path.read_text().splitlines()) == 201


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = written(tmp_path, HEADER + GOOD)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        append(path, "c")
    assert path.read_text() == HEADER + GOOD


def test_what_cannot_be_set_aside_is_not_read_either(tmp_path, monkeypatch, capsys):
    path = written(tmp_path, HEADER + GOOD + "b,0.")

    def refused(path: Path, lines: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(runs_file, "_replace", refused)
    assert [row["run_id"] for row in read_rows(path)[1]] == ["a"]
    assert "1 lines were cut off and are not read" in capsys.readouterr().err
