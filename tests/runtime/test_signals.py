"""Signals: when they are raised, when they wait, and that the process ends whatever it does."""

from __future__ import annotations

import csv
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redditgnn.runtime.signals import SIGNALS, Interruption
from tests.forks import Fork

SMALL = ["dataset=sbm", "dataset.scale=0.005", "device=cpu", "model=gcn"]
GAS = ["sampler=gas", "sampler.num_parts=20", "sampler.batch_size=2", "sampler.refresh_every=2"]
SAINT = ["sampler=saint_rw", "sampler.batch_size=50"]
SECONDS = ("epoch_s", "sample_s", "transfer_s", "compute_s", "eval_s")
BUSY = """
import ctypes, sys, time
from redditgnn.evaluation.evaluator import Evaluator
from redditgnn.runtime import signals as interrupt
from redditgnn.cli import main

interrupt.BOUNDARY_S, interrupt.FORCED_S, interrupt.AT_ONCE_S = 0.5, 1.0, 0.2
sleep = {SLEEP}


def evaluate(self, model, split):
    print("evaluating", flush=True)
    while True:
        sleep(3600)


Evaluator.__call__ = evaluate
sys.exit(main())
"""
STEPS = """
import sys
from redditgnn.cli import main
from redditgnn.trainer.checkpointing import Checkpointer

maybe_save = Checkpointer.maybe_save


def visit(self, state, *, ends_epoch):
    seconds = maybe_save(self, state, ends_epoch=ends_epoch)
    print("a step", flush=True)
    return seconds


Checkpointer.maybe_save = visit
sys.exit(main())
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture(autouse=True)
def foreground() -> Iterator[None]:
    """Hear SIGINT, as a shell's foreground jobs do: all that background jobs start ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_raises_at_once_where_nothing_waits_for_it(sent: signal.Signals) -> None:
    before = signal.getsignal(sent)
    with pytest.raises(KeyboardInterrupt), Interruption(print):
        signal.raise_signal(sent)
    assert signal.getsignal(sent) is before


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_waits_for_a_boundary_and_a_second_one_does_not(sent: signal.Signals) -> None:
    def wait(interruption: Interruption) -> None:
        interruption.leave()  # nobody has asked
        signal.raise_signal(sent)
        assert interruption.is_requested
        signal.raise_signal(sent)
        raise AssertionError("the second signal waits as well")

    with (
        Interruption(print) as interruption,
        pytest.raises(KeyboardInterrupt),
        interruption.deferred(),
    ):
        wait(interruption)


def test_a_boundary_is_left_once_so_that_what_ends_the_run_is_not_interrupted() -> None:
    with Interruption(print) as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.deferred():
            signal.raise_signal(signal.SIGTERM)  # is raised where the deferral ends
        signal.raise_signal(signal.SIGTERM)
        interruption.leave()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption(print) as interruption:
            signal.raise_signal(signal.SIGINT)
        assert not interruption.is_requested
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_leave_signals_alone() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def enter() -> None:
        with Interruption(print):
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [before]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def start(fork: Callable[..., Fork], data_dir: Path) -> Callable[..., Fork]:
    """Start a training in a process of its own."""

    def started(results_dir: Path, *overrides: str, script: Path | None = None) -> Fork:
        places = [f"data_dir={data_dir}", f"results_dir={results_dir}"]
        return fork("train", *SMALL, *places, *overrides, script=script)

    return started


def wait_for_checkpoint(process: Fork, results_dir: Path) -> Path:
    """Wait until the process has written a checkpoint; return it."""

    def written() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in results_dir.glob("runs/*/checkpoint.pt")}

    before, deadline = written(), time.monotonic() + 240
    while written() == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    (path,) = written()
    return path


def rows_of(results_dir: Path) -> list[dict[str, str]]:
    with (results_dir / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def epochs_of(results_dir: Path) -> list[dict[str, str]]:
    (path,) = results_dir.glob("runs/*/epochs.csv")
    with path.open(newline="") as file:
        return [{k: v for k, v in r.items() if k not in SECONDS} for r in csv.DictReader(file)]


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_in_the_middle_of_an_epoch_leaves_a_checkpoint_and_a_row(
    sent: signal.Signals, start: Callable[..., Fork], tmp_path: Path
) -> None:
    script = tmp_path / "steps.py"
    script.write_text(STEPS)
    endless = [*SAINT, "sampler.num_steps=100000000", "trainer.checkpoint_every=1h"]
    process = start(tmp_path, *endless, script=script)
    while not process.stdout and process.poll() is None:
        time.sleep(0.02)
    assert not list(tmp_path.glob("runs/*/checkpoint.pt"))
    process.send_signal(sent)
    assert process.wait(60) == 130
    assert "Traceback" not in process.stderr
    assert len(list(tmp_path.glob("runs/*/checkpoint.pt"))) == 1
    (row,) = rows_of(tmp_path)
    assert (row["status"], row["epochs"]) == ("interrupted", "")


@pytest.mark.parametrize("sleep", ["time.sleep", "ctypes.CDLL(None).sleep"])
def test_a_signal_in_an_evaluation_that_does_not_end_ends_the_process(
    sleep: str, start: Callable[..., Fork], tmp_path: Path
) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY.replace("{SLEEP}", sleep))
    process = start(tmp_path, *SAINT, script=script)
    while process.stdout != "evaluating\n" and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert "redditgnn: interrupted" in process.stderr
    assert "Traceback" not in process.stderr
    (row,) = rows_of(tmp_path)
    assert row["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("choice", [GAS, ["sampler=neighbor", "sampler.batch_size=64"]])
def test_a_run_killed_at_random_moments_gives_what_an_undisturbed_one_gives(
    choice: list[str], start: Callable[..., Fork], tmp_path: Path
) -> None:
    chosen = [*choice, "trainer.epochs=30", "trainer.checkpoint_every=0.05s"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    whole = start(undisturbed, *chosen)
    assert whole.wait(300) == 0, whole.stderr
    moment = random.Random(0)
    for _ in range(2):
        process = start(killed, *chosen)
        wait_for_checkpoint(process, killed)
        time.sleep(moment.uniform(0, 0.2))
        process.kill()
        process.wait(60)
    last = start(killed, *chosen)
    assert last.wait(300) == 0, last.stderr
    assert last.stderr.count("resumes after epoch") == 1
    assert epochs_of(killed) == epochs_of(undisturbed)
    (row,), (other,) = rows_of(killed), rows_of(undisturbed)
    for name in ("status", "epochs", "best_epoch", "test_micro_f1", "test_macro_f1"):
        assert row[name] == other[name]
