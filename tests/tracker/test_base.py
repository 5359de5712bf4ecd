"""Trackers are told what the record holds, are not needed, and never cost a run."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from redditgnn.command import list_
from redditgnn.config.compose import compose_settings
from redditgnn.config.hashing import hash_of_config
from redditgnn.config.settings import Settings
from redditgnn.errors import ConfigError
from redditgnn.graph.data import GraphData
from redditgnn.record.rows import EpochRow, RunRow
from redditgnn.run import execution as run
from redditgnn.tracker import base
from redditgnn.tracker.base import SafeTracker, Tracker

QUICK = ["model=gcn", "sampler=full", "model.hidden_channels=8", "trainer.epochs=3", "device=cpu"]
TRACKERS = ("none", "tensorboard", "mlflow", "wandb")


@pytest.fixture
def trained(
    make_graph: Callable[..., GraphData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., RunRow]:
    """A function that runs on a small graph and returns the row of runs.csv."""
    build, graph = Settings.build, make_graph(num_nodes=40, num_edges=160)

    def built(self: Settings, group: str, *args, **facts):
        return graph if group == "dataset" else build(self, group, *args, **facts)

    def train(*overrides: str) -> RunRow:
        row, _ = run.run(compose_settings([*QUICK, f"results_dir={tmp_path}", *overrides]))
        return row

    monkeypatch.setattr(Settings, "build", built)
    return train


def losses_of(row: RunRow, results_dir: Path) -> list[float]:
    with (results_dir / "runs" / row.run_id / "epochs.csv").open(newline="") as file:
        return [float(line["train_loss"]) for line in csv.DictReader(file)]


class Recording:
    """A tracker that remembers its calls, and fails or hangs in one of them."""

    def __init__(self, fails_in: str = "", hangs: threading.Event | None = None) -> None:
        self.calls: list[str] = []
        self._fails_in, self._hangs = fails_in, hangs

    def started(self, row: RunRow, results_dir: Path, num_epochs: int) -> None:
        self._note("started")

    def epoch(self, row: EpochRow) -> None:
        self._note(f"epoch {row.epoch}")

    def finished(self, row: RunRow) -> None:
        if self._hangs is not None:
            self._hangs.wait()
        self._note(f"finished {row.status}")

    def close(self) -> None:
        self._note("close")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self._fails_in and call.startswith(self._fails_in):
            raise OSError("[Errno 28] No space left on device\nand more of it")


@pytest.fixture
def with_tracker(
    monkeypatch: pytest.MonkeyPatch, trained: Callable[..., RunRow]
) -> Callable[[Recording], RunRow]:
    def train(tracker: Recording) -> RunRow:
        monkeypatch.setattr(run, "SafeTracker", lambda _: SafeTracker(tracker))
        return trained()

    return train


@pytest.mark.parametrize("name", TRACKERS)
def test_every_tracker_is_one_and_is_listed(name: str) -> None:
    chosen = compose_settings([f"tracker={name}"])
    assert isinstance(chosen.build("tracker"), Tracker)
    assert name in list_.descriptions("tracker")


def test_a_tracker_is_no_setting_that_a_score_depends_on() -> None:
    hashes = {hash_of_config(compose_settings([f"tracker={name}"])) for name in TRACKERS}
    assert len(hashes) == 1


def test_settings_survive_being_sent_to_another_process() -> None:
    chosen = compose_settings(["tracker=tensorboard"])
    assert Settings.from_dict(asdict(chosen)) == chosen


def test_no_tracker_is_imported_unless_it_is_chosen() -> None:
    code = (
        "import sys, redditgnn.run.execution; print([n for n in sys.argv[1:] if n in sys.modules])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, "tensorboard", "mlflow", "wandb"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "[]\n"


def test_a_tracker_hears_of_all_in_order(with_tracker: Callable[[Recording], RunRow]) -> None:
    tracker = Recording()
    with_tracker(tracker)
    epochs = [f"epoch {number}" for number in (1, 2, 3)]
    assert tracker.calls == ["started", *epochs, "finished completed", "close"]


@pytest.mark.parametrize("fails_in", ["started", "epoch 2", "finished", "close"])
def test_a_tracker_that_fails_costs_a_warning_and_no_run(
    fails_in: str,
    with_tracker: Callable[[Recording], RunRow],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    tracker = Recording(fails_in)
    with caplog.at_level(logging.WARNING, "redditgnn"):
        row = with_tracker(tracker)
    assert row.status == "completed"
    assert len(losses_of(row, tmp_path)) == 3
    messages = [record.message for record in caplog.records]
    (message,) = [text for text in messages if "never predicted" not in text]
    assert message.endswith(
        "failed (OSError: [Errno 28] No space left on device); the run continues"
    )
    failed = next(i for i, call in enumerate(tracker.calls) if call.startswith(fails_in))
    assert set(tracker.calls[failed + 1 :]) <= {"close"}  # it is not called again


def test_a_tracker_that_hangs_is_left_behind(
    with_tracker: Callable[[Recording], RunRow],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(base, "CLOSING_S", 0.01)
    try:
        assert with_tracker(Recording(hangs=hangs)).status == "completed"
    finally:
        hangs.set()
    assert "the tracker was not done after 0.01 s" in caplog.text


@pytest.mark.parametrize("name", TRACKERS[1:])
def test_a_missing_package_is_a_line_with_the_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    message = rf"tracker={name} needs .*pip install 'redditgnn\[{name}\]', or set tracker=none"
    with pytest.raises(ConfigError, match=message):
        compose_settings([f"tracker={name}"]).build("tracker")


@pytest.mark.filterwarnings("ignore")  # of theirs
def test_tensorboard_shows_the_epochs_and_the_scores(
    trained: Callable[..., RunRow], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    row = trained("tracker=tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard" / row.run_id)).Reload()
    found = events.Scalars("epoch/train_loss")
    assert [event.step for event in found] == [1, 2, 3]
    assert [event.value for event in found] == pytest.approx(losses_of(row, tmp_path), rel=1e-6)
    (score,) = events.Scalars("run/test_micro_f1")
    assert score.value == pytest.approx(row.test["micro_f1"], rel=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_mlflow_keeps_settings_epochs_and_status_in_a_local_database(
    trained: Callable[..., RunRow], tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow")
    row = trained("tracker=mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("redditgnn")
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["model.hidden_channels"] == "8"
    assert found.data.metrics["run.test_micro_f1"] == row.test["micro_f1"]
    history = client.get_metric_history(found.info.run_id, "train_loss")
    assert [(point.step, point.value) for point in history] == [
        (number, loss) for number, loss in enumerate(losses_of(row, tmp_path), start=1)
    ]
    again = SafeTracker(compose_settings(["tracker=mlflow"]).build("tracker"))
    again.started(row, tmp_path, 3)  # as a resumed run does
    again.finished(replace(row, status="oom", error="out of memory"))
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.status == "FAILED"
    assert found.data.tags["error"] == "out of memory"


@pytest.mark.filterwarnings("ignore")
def test_wandb_works_without_a_network(
    trained: Callable[..., RunRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    row = trained("tracker=wandb")
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    assert row.run_id in file.name
    deadline = time.monotonic() + 120  # its own process writes the file, in its own time
    while b"train_loss" not in file.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert b"train_loss" in file.read_bytes()
    assert row.status == "completed"
