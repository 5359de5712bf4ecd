"""The program as a user runs it: in a process of its own, on a small synthetic graph."""

from __future__ import annotations

import csv
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forks import Fork

SMALL = ["dataset=sbm", "dataset.scale=0.002", "dataset.num_features=32", "device=cpu"]
Call = Callable[..., tuple[int, str]]
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def overrides(data_dir: Path, results_dir: Path, *arguments: str) -> list[str]:
    return [*SMALL, f"data_dir={data_dir}", f"results_dir={results_dir}", *arguments]


def rows_of(results_dir: Path) -> list[dict[str, str]]:
    with (results_dir / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def num_epochs(results_dir: Path) -> int:
    """Epochs that the only run has recorded so far."""
    return sum(len(path.read_text().splitlines()) - 1 for path in results_dir.glob("runs/*/*.csv"))


def test_a_sweep_is_a_row_a_run_and_leaves_nothing_where_it_was_started(
    fork: Callable[..., Fork], data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    sweep = ["-m", "model=sage,gcn", "sampler=neighbor,saint_rw", "trainer.epochs=2"]
    done = fork("train", *overrides(data_dir, tmp_path, *sweep))
    assert done.wait(600) == 0, done.stderr
    found = [(row["status"], row["model"], row["sampler"]) for row in rows_of(tmp_path)]
    assert found == [
        ("completed", model, sampler)
        for model in ("sage", "gcn")
        for sampler in ("neighbor", "saint_rw")
    ]
    assert "test_micro_f1" in done.stdout
    assert str(tmp_path / "runs.csv") in done.stdout
    assert list(here.iterdir()) == []


def test_a_sweep_survives_a_run_that_diverges(
    call: Call, data_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = ["-m", "sampler=full", "trainer.epochs=3", "optimizer=sgd", "optimizer.lr=1e30,0.1"]
    code, stderr = call("train", *overrides(data_dir, tmp_path, *sweep))
    assert code == 3
    assert [row["status"] for row in rows_of(tmp_path)] == ["diverged", "completed"]
    assert "loss became" in caplog.text
    assert "Traceback" not in caplog.text + stderr


@pytest.mark.slow  # tests of the plan of a sweep refuse the same
def test_a_mistake_in_the_last_job_of_a_sweep_costs_nothing(
    call: Call, data_dir: Path, tmp_path: Path
) -> None:
    sweep = ["-m", "sampler=full", "seed=0,1", "model.dropout=0.5,1.5"]
    code, stderr = call("train", *overrides(data_dir, tmp_path, *sweep))
    assert code == 2
    message = "redditgnn: job 2 (seed=0 model.dropout=1.5): model.dropout must be in [0, 1), got"
    assert message in stderr
    assert not (tmp_path / "runs.csv").exists()


def test_a_model_learns_what_the_synthetic_graph_holds(
    call: Call, data_dir: Path, tmp_path: Path
) -> None:
    keys = ["sampler=full", "trainer.epochs=25", "dataset.scale=0.005", "dataset.num_features=602"]
    for model in ("mlp", "sage"):
        chosen = overrides(data_dir, tmp_path, f"model={model}", *keys)
        assert call("train", *chosen)[0] == 0
    mlp, sage = (float(row["test_micro_f1"]) for row in rows_of(tmp_path))
    assert sage > 0.85
    assert sage > mlp + 0.2


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_termination_leave_a_row_and_exit_with_130(
    sent: signal.Signals, fork: Callable[..., Fork], data_dir: Path, tmp_path: Path
) -> None:
    endless = ["sampler=full", "trainer.epochs=1000000"]
    process = fork("train", *overrides(data_dir, tmp_path, *endless))
    deadline = time.monotonic() + 120
    while num_epochs(tmp_path) < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sent)
    assert process.wait(60) == 130
    assert "Traceback" not in process.stderr
    (row,) = rows_of(tmp_path)
    assert row["status"] == "interrupted"
    assert row["test_micro_f1"] == ""
    assert int(row["epochs"]) > 0


def test_the_model_that_the_readme_adds_in_two_files_runs(
    call: Call, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = README.read_text(encoding="utf-8")
    for kind in ("python", "yaml"):
        found = re.search(rf"`([\w/]+\.\w+)`:\n\n```{kind}\n(.*?)```", text, re.DOTALL)
        assert found, f"README.md shows no {kind} file"
        path = tmp_path / found[1]
        path.parent.mkdir(parents=True)
        path.write_text(found[2], encoding="utf-8")
    arguments = ["--config-dir", "conf", "model=resgated", "sampler=cluster", "trainer.epochs=1"]
    parts = ["sampler.num_parts=10", "sampler.batch_size=5"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    code, stderr = call("train", *overrides(data_dir, tmp_path, *arguments, *parts))
    assert code == 0, stderr
    assert rows_of(tmp_path)[0]["model"] == "resgated"
