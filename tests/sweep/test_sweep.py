"""A sweep ends with a row for every run, whatever happens to some of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from redditgnn.errors import ConfigError
from redditgnn.record.runs_file import read_rows
from redditgnn.run.execution import run
from redditgnn.sweep import resources as machine
from redditgnn.sweep.data import load_data
from redditgnn.sweep.plan import Job, Planner
from redditgnn.sweep.protocol import Outcome, WorkerDied, Workers, run_request
from redditgnn.sweep.record import Identity, Policy, load_rows
from redditgnn.sweep.search import Search
from redditgnn.sweep.summary import Result, format_table
from redditgnn.sweep.sweep import Sweep
from redditgnn.trainer.checkpointing import Checkpointer

TINY = ["dataset=sbm", "dataset.scale=0.005", "device=cpu", "sampler=full", "trainer.epochs=2"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def tiny(data_dir: Path, tmp_path: Path) -> list[str]:
    return [*TINY, f"data_dir={data_dir}", f"results_dir={tmp_path}"]


class Here(Workers):
    """Runs jobs in this process; those named in `deaths` die so many times before."""

    def __init__(self, deaths: Mapping[int, int] | None = None) -> None:
        self._deaths = dict(deaths or {})
        self._given: list[tuple[Job, Mapping[str, Any]]] = []

    @property
    def has_room(self) -> bool:
        return not self._given

    @property
    def is_empty(self) -> bool:
        return not self._given

    def submit(self, key: Job, request: Mapping[str, Any], label: str) -> None:
        self._given.append((key, json.loads(json.dumps(request))))

    def next_outcomes(self) -> Iterator[tuple[Job, Outcome | WorkerDied]]:
        job, request = self._given.pop()
        if self._deaths.get(job.number, 0):
            self._deaths[job.number] -= 1
            yield job, WorkerDied("its process was killed by signal 9 (SIGKILL)")
        else:
            yield job, run_request(request)


def policy(**values: Any) -> Policy:
    plain = {"rerun": False, "same_code": False, "commit": "", "torch_version": ""}
    return Policy(**plain | values)


def sweep_of(jobs: list[Job], pool: Here, learn: Any = None, **values: Any) -> Sweep:
    results_dir = Path(jobs[0].settings.results_dir)
    return Sweep(
        pool=pool,
        policy=policy(**values),
        results_dir=results_dir,
        total=len(jobs),
        rows=load_rows(results_dir),
        data=load_data(jobs),
        learn=learn or (lambda job, outcome: None),
    )


def swept(jobs: list[Job], deaths: Mapping[int, int] | None = None, **values: Any) -> list[str]:
    sweep = sweep_of(jobs, Here(deaths), **values)
    sweep.run(jobs)
    return [result.outcome.status for result in sweep.results]


def test_what_is_completed_is_skipped_unless_asked_for_again(tiny, tmp_path):
    jobs = Planner([*tiny, "model=sage,gcn", "seed=0,1"]).jobs()
    assert swept(jobs[:3]) == ["completed"] * 3
    assert swept(jobs) == ["skipped"] * 3 + ["completed"]
    assert swept(jobs[:1], rerun=True) == ["completed"]
    assert len(read_rows(tmp_path / "runs.csv")[1]) == 5


def test_rows_of_other_code_count_unless_the_same_is_asked_for(tiny, tmp_path):
    jobs = Planner(tiny).jobs()
    assert swept(jobs) == ["completed"]
    (row,) = load_rows(tmp_path)
    now = {"commit": row["commit"], "torch_version": row["torch_version"]}
    assert swept(jobs, same_code=True, **now) == ["skipped"]
    assert swept(jobs, commit="0ld", torch_version="1.0") == ["skipped"]
    assert swept(jobs, same_code=True, **now | {"commit": "0ld"}) == ["completed"]
    remark = policy(commit="0ld", torch_version=row["torch_version"]).remark(row)
    assert remark == f" (commit {row['commit'][:12]}, now 0ld)"
    assert policy(**now).remark(row) == ""


def test_a_run_whose_process_was_killed_is_a_failed_row_and_the_rest_goes_on(tiny, tmp_path):
    jobs = Planner([*tiny, "seed=0,1"]).jobs()
    assert swept(jobs, deaths={1: 1}) == ["failed", "completed"]
    failed, completed = load_rows(tmp_path)
    assert failed["error"] == "its process was killed by signal 9 (SIGKILL)"
    assert failed["fingerprint"] == completed["fingerprint"]
    assert swept(jobs) == ["completed", "skipped"]


class Killed(BaseException):
    """Ends a run where no handler can do anything about it."""


@pytest.fixture
def left_by_a_killed_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Job], Path]:
    """Run a job up to behind its first checkpoint; return the folder."""
    visit = Checkpointer.maybe_save

    def visited(self: Checkpointer, state: Any, *, ends_epoch: bool) -> float:
        if visit(self, state, ends_epoch=ends_epoch):
            raise Killed
        return 0.0

    def left_by(job: Job) -> Path:
        with monkeypatch.context() as patched:
            patched.setattr(Checkpointer, "maybe_save", visited)
            with pytest.raises(Killed):
                run(job.settings)
        (path,) = Path(job.settings.results_dir).glob("runs/*/checkpoint.pt")
        return path.parent

    return left_by


@pytest.mark.parametrize(("num_deaths", "end"), [(1, "completed"), (2, "completed"), (3, "failed")])
def test_a_run_that_left_a_checkpoint_is_tried_three_times(
    num_deaths, end, tiny, tmp_path, left_by_a_killed_run
):
    (job,) = Planner([*tiny, "trainer.checkpoint_every=1"]).jobs()
    folder = left_by_a_killed_run(job)
    assert swept([job], deaths={1: num_deaths}) == [end]
    row = load_rows(tmp_path)[-1]
    assert row["run_id"] == folder.name


def test_a_checkpoint_of_other_code_is_not_the_one_that_a_killed_run_left(
    tiny, tmp_path, left_by_a_killed_run
):
    (job,) = Planner([*tiny, "trainer.checkpoint_every=1"]).jobs()
    folder = left_by_a_killed_run(job)
    content = json.loads((folder / "run.json").read_text())
    content["identity"]["commit"] = "0ld"
    (folder / "run.json").write_text(json.dumps(content))
    assert swept([job], deaths={1: 1}) == ["failed"]
    row = load_rows(tmp_path)[-1]
    assert row["run_id"] != folder.name


def test_a_run_that_another_sweep_completed_meanwhile_is_not_run_again(tiny, tmp_path):
    (job,) = Planner(tiny).jobs()
    sweep = sweep_of([job], Here())  # knows no row
    assert swept([job]) == ["completed"]
    sweep.run([job])
    assert [result.outcome.status for result in sweep.results] == ["skipped"]
    assert len(load_rows(tmp_path)) == 1


def test_a_lock_is_of_one_run():
    one = Identity(config_hash="a", seed=0, fingerprint="f")
    names = {
        Path(identity.lock(Path("r")).lock_file).name
        for identity in (one, replace(one, seed=1), replace(one, fingerprint="g"))
    }
    assert len(names) == 3


def result(number: int, status: str, val: str = "", **swept: str) -> Result:
    row = {"val_micro_f1": val, "test_micro_f1": val, "epoch_median_s": "0.5", "fingerprint": "f"}
    row |= {"peak_cuda_reserved_mib": "", "peak_rss_mib": "100.4"}
    names = {"config_hash": swept["heads"], "configuration": swept["heads"]}
    job = replace(composed(), number=number, values=swept, **names)
    is_done = status in ("completed", "skipped")
    return Result(job, Outcome(status=status, row=row if is_done else {}))


@cache
def composed() -> Job:
    (job,) = Planner(TINY).jobs()
    return job


def test_the_table_has_a_line_a_configuration_and_marks_the_best():
    lines = format_table(
        [
            result(1, "completed", "0.5", heads="1", seed="0"),
            result(2, "skipped", "0.7", heads="1", seed="1"),
            result(3, "completed", "0.9", heads="8", seed="0"),
            result(4, "oom", heads="8", seed="1"),
            result(5, "failed", heads="9", seed="0"),
        ]
    )
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "1 2 0.6000 +- 0.1414 0.6000 +- 0.1414 0.5000 100 2 completed",
        "* 8 1 0.9000 0.9000 0.5000 100 1 completed, 1 oom",
        "9 0 - - - - 1 failed",
    ]


def test_a_search_learns_from_rows_and_proposes_what_is_missing(tiny, tmp_path):
    pytest.importorskip("optuna")
    swept_keys = ["model.dropout=interval(0,0.5)", "model.norm=batch,null", "model.num_layers=1,2"]
    wide = ["model.hidden_channels=int(tag(log,interval(4,32)))"]
    numbers = []
    for trials in (2, 4):
        search = Search(
            Planner([*tiny, *swept_keys, *wide, "sweep.search=optuna", f"sweep.trials={trials}"])
        )
        sweep = sweep_of(search.corners(), Here(), learn=search.learn)
        known = search.start(sweep.rows, sweep.find_completed)
        sweep.run(search.jobs())
        numbers.append((len(known), len(sweep.results)))
    assert numbers == [(0, 2), (2, 2)]
    rows = load_rows(tmp_path)
    assert len({row["config_hash"] for row in rows}) == 4
    for row in rows:
        hyperparameters = json.loads(row["hyperparameters"])
        assert 0 <= hyperparameters["model.dropout"] <= 0.5
        assert 4 <= hyperparameters["model.hidden_channels"] <= 32


def test_a_search_without_time_starts_nothing(tiny, monkeypatch):
    pytest.importorskip("optuna")
    keys = ["model.norm=batch,null", "sweep.search=optuna", "sweep.search_time=1s"]
    search = Search(Planner([*tiny, *keys]))
    assert search.start([], lambda job: None) == []
    clock = iter([0.0, 0.5, 1.5])
    monkeypatch.setattr("redditgnn.sweep.search.time.monotonic", lambda: next(clock))
    assert len(list(search.jobs())) == 1


def row_with(**cells: str) -> dict[str, str]:
    """A completed row of equal data."""
    return {"fingerprint": "f", "status": "completed", "val_micro_f1": "0.5", **cells}


def table_of(jobs: list[Job], rows: list[dict[str, str]]) -> list[str]:
    outcomes = [Outcome(status="completed", row=row) for row in rows]
    return format_table([Result(*pair) for pair in zip(jobs, outcomes, strict=True)])


def test_the_best_of_a_sweep_is_best_in_what_its_runs_monitor(tiny):
    jobs = Planner([*tiny, "model.norm=batch,null", "trainer.monitor=val_roc_auc"]).jobs()
    table = table_of(jobs, [row_with(val_roc_auc="0.7"), row_with(val_roc_auc="0.9")])
    assert "val_roc_auc" in table[0]
    assert "test_roc_auc" in table[0]
    assert [line.startswith("*") for line in table[1:]] == [False, True]


def test_the_best_of_a_sweep_has_the_lowest_calibration_error(tiny):
    jobs = Planner([*tiny, "model.norm=batch,null", "trainer.monitor=val_ece"]).jobs()
    table = table_of(jobs, [row_with(val_ece="0.2"), row_with(val_ece="0.3")])
    assert [line.startswith("*") for line in table[1:]] == [True, False]


@pytest.mark.parametrize("monitor", ["val_loss", "val_micro_f1,val_roc_auc"])
def test_a_sweep_is_judged_by_micro_f1_if_its_runs_monitor_no_score_in_common(tiny, monitor):
    jobs = Planner([*tiny, "model.norm=batch,null", f"trainer.monitor={monitor}"]).jobs()
    assert "val_micro_f1" in table_of(jobs, [row_with() for _ in jobs])[0]


def test_a_search_minimises_a_monitored_calibration_error(tiny):
    pytest.importorskip("optuna")
    keys = ["model.norm=batch,null", "trainer.monitor=val_ece", "sweep.search=optuna"]
    search = Search(Planner([*tiny, *keys, "sweep.trials=2"]))
    search.corners()
    search.start([], lambda job: None)
    first, second = search.jobs()
    search.learn(first, Outcome(status="completed", row=row_with(val_ece="0.3")))
    search.learn(second, Outcome(status="completed", row=row_with(val_ece="0.1")))
    assert search._study is not None
    assert search._study.best_value == 0.1


@pytest.mark.parametrize(
    ("jobs", "per_gpu", "expected"),
    [(2, 1, ["0", "1"]), (4, 2, ["0", "1", "0", "1"]), (3, 1, None)],
)
def test_gpus_are_shared_only_when_told(jobs, per_gpu, expected, monkeypatch):
    monkeypatch.setattr(machine, "resolve_device", lambda name: machine.torch.device("cuda:0"))
    monkeypatch.setattr(machine.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(machine.torch, "get_num_threads", lambda: 7)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    planner = Planner([*TINY, f"sweep.jobs={jobs}", f"sweep.jobs_per_gpu={per_gpu}"])
    settings = [job.settings for job in planner.jobs()]
    if expected is None:
        with pytest.raises(ConfigError, match="sweep.jobs=3 is more than 2 GPUs take"):
            machine.build_environments(planner.sweep, settings)
        return
    found = machine.build_environments(planner.sweep, settings)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == expected
    assert {one["OMP_NUM_THREADS"] for one in found} == {str(max(1, 7 // jobs))}
