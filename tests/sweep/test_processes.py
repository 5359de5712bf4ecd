"""The processes of a sweep: killed, interrupted, or on a cluster."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from redditgnn.sweep.processes import Pool
from redditgnn.sweep.protocol import WorkerDied
from tests.forks import Fork

SMALL = ["dataset=sbm", "dataset.scale=0.005", "device=cpu", "sampler=full", "model=sage"]
ENDLESS = ["trainer.epochs=1000000", "trainer.patience=null"]
WAIT_S = 120


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def start(fork: Callable[..., Fork], data_dir: Path, tmp_path: Path) -> Callable[..., Fork]:
    """A function that starts a sweep. Its workers are interpreters of their own."""
    places = [f"data_dir={data_dir}", f"results_dir={tmp_path}"]
    return partial(fork, "train", "-m", *SMALL, *places)


def rows_of(results_dir: Path) -> list[dict[str, str]]:
    with (results_dir / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for_epochs(results_dir: Path, num_runs: int) -> None:
    """Return when so many runs have recorded an epoch."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = [path.read_text() for path in results_dir.glob("runs/*/epochs.csv")]
        if sum(len(text.splitlines()) > 1 for text in found) >= num_runs:
            return
        time.sleep(0.1)
    raise AssertionError("no run began")


def workers_of(process: Fork) -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def test_a_killed_worker_costs_its_run_and_a_signal_ends_the_sweep_with_its_table(start, tmp_path):
    sweep = start(*ENDLESS, "seed=0,1", "sweep.jobs=2", "trainer.checkpoint_every=null")
    wait_for_epochs(tmp_path, 2)
    workers_of(sweep)[0].kill()
    wait_for_rows(tmp_path, 1)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait(WAIT_S) == 130
    failed, interrupted = rows_of(tmp_path)
    assert failed["status"] == "failed"
    assert "killed by signal 9 (SIGKILL)" in failed["error"]
    assert interrupted["status"] == "interrupted"
    assert "1 failed, 1 interrupted" in sweep.stdout
    assert "Traceback" not in sweep.stderr


def wait_for_rows(results_dir: Path, number: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if (results_dir / "runs.csv").exists() and len(rows_of(results_dir)) >= number:
            return
        time.sleep(0.1)
    raise AssertionError("no row was written")


def test_no_worker_outlives_a_sweep_that_was_killed(start, tmp_path):
    sweep = start(*ENDLESS)
    wait_for_epochs(tmp_path, 1)
    workers = workers_of(sweep)
    sweep.kill()
    _, alive = psutil.wait_procs(workers, timeout=WAIT_S)
    assert not alive
    assert [row["status"] for row in rows_of(tmp_path)] == ["interrupted"]


def test_a_sweep_runs_as_jobs_of_a_cluster(start, tmp_path):
    pytest.importorskip("submitit")
    cluster = ["sweep.launcher=submitit", "sweep.slurm.cluster=local", "sweep.slurm.gpus=0"]
    sweep = start("trainer.epochs=1", *cluster)
    assert sweep.wait(WAIT_S) == 0, sweep.stderr
    assert [row["status"] for row in rows_of(tmp_path)] == ["completed"]
    assert "1 completed" in sweep.stdout


@pytest.mark.slow
def test_two_tasks_of_a_job_give_the_bits_of_one_process(start, call, data_dir, tmp_path):
    pytest.importorskip("submitit")
    steps = ["sampler=neighbor", "trainer.batches_per_step=2", "trainer.epochs=2"]
    tasks = ["sweep.slurm.cluster=local", "sweep.slurm.gpus=0", "sweep.slurm.tasks_per_node=2"]
    sweep = start(*steps, "parallel=data", "sweep.launcher=submitit", *tasks)
    assert sweep.wait(WAIT_S) == 0, sweep.stderr
    places = f"data_dir={data_dir}", f"results_dir={tmp_path}"
    assert call("train", *SMALL, *steps, *places)[0] == 0
    rows = rows_of(tmp_path)
    assert [row["processes"] for row in rows] == ["2", "1"]
    assert rows[0]["config_hash"] == rows[1]["config_hash"]
    one, other = ((tmp_path / "runs" / row["run_id"] / "best.pt").read_bytes() for row in rows)
    assert one == other


SLEEPER = "import sys,time,os; sys.stdin.readline(); print('x\\rline', file=sys.stderr); {}"


def pool_of(monkeypatch: pytest.MonkeyPatch, ends: Sequence[str]) -> Pool:
    """A pool whose workers each do, with their first job, what `ends` says."""
    commands = iter([sys.executable, "-c", SLEEPER.format(end)] for end in ends)
    real = subprocess.Popen
    monkeypatch.setattr(
        "redditgnn.sweep.processes.subprocess.Popen",
        lambda command, **rest: real(next(commands), **rest),
    )
    return Pool([{"OMP_NUM_THREADS": "1"}] * len(ends))


def test_a_job_ends_with_what_its_process_says_or_how_it_died(monkeypatch, capfd):
    says = """print('{"status": "completed", "code": 0, "error": "", "row": {}}', flush=True)"""
    dies = "os.kill(os.getpid(), 9)"
    pool = pool_of(monkeypatch, [says, dies, "sys.exit(3)"])
    for key in ("says", "dies", "exits"):
        pool.submit(key, {}, f"job {key}")
    assert not pool.has_room
    found = {}
    while not pool.is_empty:
        found.update(pool.next_outcomes())
    pool.close()
    assert found["says"].status == "completed"
    assert isinstance(found["dies"], WorkerDied)
    assert "killed by signal 9 (SIGKILL); perhaps by the system" in str(found["dies"])
    assert str(found["exits"]) == "its process ended with code 3"
    assert "[job says] line\n" in capfd.readouterr().err


def test_a_run_that_does_not_end_is_killed_behind_a_while(monkeypatch):
    monkeypatch.setattr("redditgnn.sweep.processes.GRACE_S", 0.5)
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"
    pool = pool_of(monkeypatch, [stubborn])
    pool.submit("job", {}, "job")
    time.sleep(0.2)
    ((key, end),) = pool.interrupt()
    pool.close()
    assert key == "job"
    assert "killed by signal" in str(end)
