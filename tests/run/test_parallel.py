"""Runs that processes share: as one process gives them, whatever happens to the processes."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from redditgnn.command.dry_run import describe_run
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.distributed.launch import Ended, ProcessBug, run_processes
from redditgnn.errors import ConfigError, TeamFailed
from redditgnn.run.parallel import resolve_parallel
from scripts.bench.timing.ranks import ranks_of
from tests.run.launches import LIMIT_S, codes_of, outcome, rows_of, start_ranks, wait_for

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=8", "dataset.num_classes=4"),
    *("model=sage", "model.hidden_channels=8", "sampler=neighbor", "sampler.batch_size=45"),
    *("trainer.epochs=3", "trainer.batches_per_step=2", "device=cpu"),
    "trainer.eval_chunk_edges=2000",  # several chunks, which processes share
)
SHARED = ("parallel=data", "parallel.timeout=60s")


@pytest.fixture
def start(fork, data_dir, tmp_path) -> Callable[..., list]:
    """Start the processes of a run, as torchrun does. The last one may have words of its own."""

    def started(size: int, *arguments: str, last: tuple[str, ...] = ()) -> list:
        folders = f"data_dir={data_dir}", f"results_dir={tmp_path / 'results'}"
        shared = SHARED if size > 1 else ()
        command = ("train", *SMALL, *folders, *arguments, *shared)
        return start_ranks(fork, [*[command] * (size - 1), (*command, *last)])

    return started


def test_two_processes_leave_the_files_of_one(start, alone, tmp_path):
    assert codes_of(start(2)) == [0, 0]
    (row,) = rows_of(tmp_path / "results")
    (expected,) = rows_of(alone)
    assert outcome(tmp_path / "results") == outcome(alone)
    same = ("config_hash", "fingerprint", "batches_per_step", "test_micro_f1", "val_mcc")
    assert {name: row[name] for name in same} == {name: expected[name] for name in same}
    assert [row[name] for name in ("parallel", "processes", "backend")] == ["data", "2", "gloo"]
    assert [expected[name] for name in ("parallel", "processes", "backend")] == ["none", "1", ""]
    assert float(row["wait_s"]) > 0
    assert float(row["sent_mib"]) > 0


def test_a_signal_to_one_process_stops_all_and_one_process_resumes(start, alone, tmp_path):
    mark, results = tmp_path / "mark", tmp_path / "results"
    processes = start(2, f"pause=1:2:5:{mark}")
    wait_for(mark)
    processes[1].send_signal(signal.SIGTERM)
    time.sleep(0.2)
    mark.unlink()
    assert codes_of(processes) == [130, 130]
    assert [row["status"] for row in rows_of(results)] == ["interrupted"]
    assert codes_of(start(1)) == [0]
    rows = rows_of(results)
    assert [row["status"] for row in rows] == ["interrupted", "completed"]
    assert rows[0]["run_id"] == rows[1]["run_id"]
    assert outcome(results) == outcome(alone)


def test_the_death_of_one_process_is_told_in_the_row_and_the_run_resumes(start, alone, tmp_path):
    mark, results = tmp_path / "mark", tmp_path / "results"
    processes = start(2, f"pause=1:2:5:{mark}", "trainer.checkpoint_every=1")
    wait_for(mark)
    processes[1].kill()
    assert codes_of(processes) == [3, -signal.SIGKILL]
    (row,) = rows_of(results)
    assert row["status"] == "failed"
    assert "lost the others" in row["error"]
    assert codes_of(start(2, "trainer.checkpoint_every=1")) == [0, 0]
    rows = rows_of(results)
    assert [row["status"] for row in rows] == ["failed", "completed"]
    assert rows[0]["run_id"] == rows[1]["run_id"]
    assert outcome(results) == outcome(alone)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("seed=7", "seed than process 0 (7, not 0)"),
        pytest.param("model.dropout=0.3", "model.dropout than", marks=pytest.mark.slow),
        pytest.param("trainer.max_time=9h", "trainer.max_time than", marks=pytest.mark.slow),
        pytest.param("trainer.eval_chunk_edges=9", "eval_chunk_edges than", marks=pytest.mark.slow),
    ],
)
def test_processes_with_different_settings_are_refused_in_one_line(start, tmp_path, word, text):
    processes = start(2, last=(word,))
    assert codes_of(processes) == [2, 2]
    for process in processes:
        (line,) = [line for line in process.stderr.splitlines() if "another" in line]
        assert line.startswith("redditgnn: process 1 has another ")
        assert text in line
    assert not (tmp_path / "results" / "runs.csv").exists() or not rows_of(tmp_path / "results")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampler=gas"], "parallel=data cannot share sampler=gas: a batch reads the histories"),
        (["sampler=neighbor_tree"], "parallel=data cannot share sampler=neighbor_tree: it builds"),
        (["sampler=neighbor_pyg"], "parallel=data cannot share sampler=neighbor_pyg: it builds"),
        (["trainer.batches_per_step=1"], "must be at least parallel.processes=2, so that no"),
        (["parallel.processes=0"], "parallel.processes must be positive, or auto, got 0"),
        (["parallel.processes=auto"], "parallel.processes=auto counts the GPUs of this machine"),
        (["parallel.backend=nccl"], "parallel.backend=nccl needs a GPU for each of 2 processes"),
        (["parallel.timeout=soon"], "parallel.timeout must be a positive duration"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_mistakes_are_refused_before_a_process_starts(overrides, message):
    usual = ["dataset=sbm", "device=cpu", "parallel=data", "parallel.processes=2"]
    with pytest.raises(ConfigError) as refusal:
        resolve_parallel(compose_settings([*usual, *overrides]))
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_processes_of_a_launcher_do_not_all_train_the_same_model(monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"in each of the 4 processes .* add parallel=data"):
        resolve_parallel(compose_settings(["dataset=sbm", "device=cpu"]))


def test_a_step_has_a_batch_of_each_process_where_nothing_is_said():
    shared = ["dataset=sbm", "device=cpu", "parallel=data", "parallel.processes=3"]
    settings = resolve_parallel(compose_settings(shared))
    assert settings.components["trainer"]["batches_per_step"] == 3
    assert settings.parallel.backend == "gloo"


def test_the_number_of_processes_is_no_part_of_the_hash():
    usual = ["dataset=sbm", "device=cpu", "trainer.batches_per_step=4"]
    settings = [
        resolve_parallel(compose_settings([*usual, "parallel=data", f"parallel.processes={n}"]))
        for n in (1, 2, 4)
    ]
    assert len({hash_of_config(one) for one in [compose_settings(usual), *settings]}) == 1
    assert hash_of_config(compose_settings(usual[:2])) == hash_of_config(
        compose_settings([*usual[:2], "trainer.batches_per_step=1"])
    )


@pytest.mark.slow
def test_a_bug_in_a_process_comes_back_with_its_traceback():
    one, other = run_processes(int, ("seven",), 2, "redditgnn.errors")
    assert isinstance(one.error, ProcessBug)
    assert str(other.error).startswith("process 1:\nTraceback")
    assert "ValueError: invalid literal for int() with base 10: 'seven'" in str(other.error)


def test_a_bug_in_a_process_ends_the_command_as_one_of_its_own(call, tmp_path, monkeypatch):
    lost = Ended(0, 1, None, TeamFailed("process 1: ValueError"), "")
    bug = Ended(1, 1, None, ProcessBug("process 1:\nTraceback of it"), "")
    monkeypatch.setattr("redditgnn.run.launched.run_processes", lambda *_: [lost, bug])
    code, stderr = call("train", *SMALL, f"results_dir={tmp_path}", *SHARED, "parallel.processes=2")
    assert code == 1
    assert "process 1:\nTraceback of it" in stderr


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["rank 0", "rank 1", "the command"])
def test_a_command_leaves_a_row_and_no_process_when_it_is_killed(fork, data_dir, tmp_path, victim):
    results = tmp_path / "results"
    folders = f"data_dir={data_dir}", f"results_dir={results}"
    long = "trainer.epochs=100000", "trainer.checkpoint_every=1"
    command = fork("train", *SMALL, *folders, *SHARED, "parallel.processes=2", *long)
    while not list(results.glob("runs/*/checkpoint.pt")):
        assert command.poll(0.1) is None, command.stderr
    ranks = ranks_of(command.pid)
    assert len(ranks) == 2
    if victim == "the command":
        command.send_signal(signal.SIGTERM)
        assert command.wait(LIMIT_S) == 130
        assert rows_of(results)[-1]["status"] == "interrupted"
    else:
        ranks[int(victim[-1])].kill()
        assert command.wait(LIMIT_S) == 3
        row = rows_of(results)[-1]
        assert row["status"] == "failed"
        assert f"process {victim[-1]}" in row["error"]
        assert "was killed by signal 9 (SIGKILL)" in row["error"]
        assert command.stderr.splitlines()[-1].startswith("redditgnn: ")
    assert len(rows_of(results)) == 1
    assert not [rank for rank in ranks if rank.is_running()]


def test_a_command_starts_its_processes_itself(fork, alone, data_dir, tmp_path):
    folders = f"data_dir={data_dir}", f"results_dir={tmp_path / 'results'}"
    command = fork("train", *SMALL, *folders, *SHARED, "parallel.processes=2")
    assert command.wait(LIMIT_S) == 0, command.stderr
    assert "is the last row of" in command.stdout
    assert outcome(tmp_path / "results") == outcome(alone)
    assert rows_of(tmp_path / "results")[0]["processes"] == "2"


def test_one_process_has_no_process_group(call, data_dir, tmp_path, monkeypatch):
    import torch

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process group was asked for")

    monkeypatch.setattr(torch.distributed, "init_process_group", refuse)
    folders = f"data_dir={data_dir}", f"results_dir={tmp_path}"
    for extra in ((), ("parallel=data", "parallel.processes=1")):
        assert call("train", *SMALL, *folders, *extra)[0] == 0
    assert "torch.distributed.pipelining" not in sys.modules
    assert "torch.distributed.launcher.api" not in sys.modules
    first, second = rows_of(tmp_path)
    assert first["config_hash"] == second["config_hash"]
    assert first["val_mcc"] == second["val_mcc"]


def test_a_dry_run_says_what_the_processes_share_and_send(data_dir):
    shared = [*SMALL, "parallel=data", "parallel.processes=2", f"data_dir={data_dir}"]
    text = describe_run(compose_settings(shared))
    assert "steps of 2 batches" in text
    assert "2 processes by gloo, each sends" in text
    assert "parallel=data: each process builds its own batches" in text
