"""A run that is killed at any moment, and started again, ends as if nothing had happened."""

from __future__ import annotations

import csv
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.errors import DataError
from redditgnn.graph.data import GraphData
from redditgnn.record import checkpoint, resume
from redditgnn.record.rows import RunRow, cells_of
from redditgnn.run import execution as run
from redditgnn.runtime.signals import Interruption
from redditgnn.trainer.checkpointing import Cadence, Checkpointer
from tests.samplers import SAMPLERS

GAS = f"{SAMPLERS['gas']} model.num_layers=3"
CHOICES = {
    **SAMPLERS,
    "gas": GAS,
    "gas_random": f"{GAS} sampler.partition=random sampler.max_steps=2",
    "gas_refreshed": f"{GAS} sampler.refresh_every=2",
    "gas_logged": f"{GAS} sampler.refresh_every=2 sampler.log_staleness=true",
    "gas_on_disk": f"{GAS} sampler.history_device=disk",
    "gas_lipschitz": f"{GAS} sampler.lipschitz_weight=0.1",
}
MODELS = {
    "sage": "model=sage",
    "gat": "model=gat model.heads=2 model.attention_dropout=0.3",
    "gcn2": "model=gcn2 model.num_layers=3",
    "gin": "model=gin",
}
RECIPES = {
    "plateau": "scheduler=plateau scheduler.patience=0",
    "cosine": "scheduler=cosine optimizer=adamw",
    "momentum": "scheduler=step scheduler.step_size=1 optimizer=sgd optimizer.momentum=0.9",
    "patience": "trainer.patience=2 trainer.monitor=val_micro_f1_and_loss trainer.eval_every=2",
    "inductive": "protocol=inductive trainer.grad_clip=0.1",
}
REPEATED = {
    "gas_random",
    "gas_lipschitz",
    "sage",
    "cosine",
    "momentum",
}  # like others
SECONDS = ("epoch_s", "sample_s", "transfer_s", "compute_s", "eval_s")


HOLD = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print(flush=True)
    input()
"""


class Killed(BaseException):
    """Ends a run where no handler can do anything about it."""


@pytest.fixture
def settings(
    make_graph: Callable[..., GraphData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    """Settings of a run on a small graph, in a results_dir of their own if they name one."""
    build, graph = Settings.build, make_graph(num_nodes=60, num_edges=240)

    def built(self: Settings, group: str, *args: Any, **facts: Any) -> Any:
        return graph if group == "dataset" else build(self, group, *args, **facts)

    monkeypatch.setattr(Settings, "build", built)

    def compose(overrides: str = "", folder: str = "interrupted") -> Settings:
        sampler = "" if "sampler=" in overrides else SAMPLERS["cluster"]
        small = f"model=gcn {sampler} {overrides} model.hidden_channels=8 model.dropout=0.5"
        places = f"trainer.epochs=3 device=cpu results_dir={tmp_path / folder}"
        return compose_settings(f"{small} {places}".split())

    return compose


@contextmanager
def signalled_at(visit: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a signal come just before boundary number `visit` of a training."""
    original, seen = Checkpointer.maybe_save, []

    def visited(self: Checkpointer, state: Any, *, ends_epoch: bool) -> float:
        seen.append(ends_epoch)
        if len(seen) == visit:
            self.stop.is_requested = True
        return original(self, state, ends_epoch=ends_epoch)

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "maybe_save", visited)
        yield


@contextmanager
def killed_at(visit: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kill the training at a boundary: without a checkpoint but those that are due."""
    original, seen = Checkpointer.maybe_save, []

    def visited(self: Checkpointer, state: Any, *, ends_epoch: bool) -> float:
        seconds = original(self, state, ends_epoch=ends_epoch)
        seen.append(ends_epoch)
        if len(seen) == visit:
            raise Killed
        return seconds

    with monkeypatch.context() as patched:
        patched.setattr(Checkpointer, "maybe_save", visited)
        yield


def interrupted_every(
    visits: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> tuple[RunRow, int]:
    """Run to the end in sessions of so many boundaries; return the row and their number."""
    for session in range(1, 30):
        with signalled_at(visits, monkeypatch):
            try:
                return run.run(settings)[0], session
            except KeyboardInterrupt:
                continue
    raise AssertionError("the run does not get on")


def lines_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file without the columns that hold seconds."""
    with path.open(newline="") as file:
        return [{k: v for k, v in r.items() if k not in SECONDS} for r in csv.DictReader(file)]


def folder_of(settings: Settings, row: RunRow) -> Path:
    return Path(settings.results_dir) / "runs" / row.run_id


def check_same(one: Settings, row: RunRow, other: Settings, whole: RunRow) -> None:
    """Check that two runs gave the same in every bit."""
    here, there = folder_of(one, row), folder_of(other, whole)
    assert lines_of(here / "epochs.csv") == lines_of(there / "epochs.csv")
    assert (here / "histories.csv").exists() == (there / "histories.csv").exists()
    if (here / "histories.csv").exists():
        assert lines_of(here / "histories.csv") == lines_of(there / "histories.csv")
    best, best_whole = (checkpoint.load(folder / "best.pt") for folder in (here, there))
    assert all(torch.equal(best[name], best_whole[name]) for name in best_whole)
    for name in ("test_accuracy", "test_micro_f1", "test_macro_f1", "best_epoch", "epochs"):
        assert cells_of(row)[name] == cells_of(whole)[name]


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param(choice, id=name, marks=pytest.mark.slow if name in REPEATED else ())
        for name, choice in {**CHOICES, **MODELS, **RECIPES}.items()
    ],
)
def test_sessions_of_five_boundaries_give_what_one_session_gives(
    choice: str, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_settings, cut_settings = settings(choice, "whole"), settings(choice)
    whole, _ = run.run(whole_settings)
    row, sessions = interrupted_every(5, cut_settings, monkeypatch)
    assert sessions > 1
    check_same(cut_settings, row, whole_settings, whole)
    written = lines_of(Path(cut_settings.results_dir) / "runs.csv")
    assert [line["status"] for line in written] == ["interrupted"] * (sessions - 1) + ["completed"]
    assert {line["run_id"] for line in written} == {row.run_id}
    assert not list(folder_of(cut_settings, row).glob("*checkpoint*"))


@pytest.mark.parametrize(
    ("every", "choice"), [("2", "sampler=full"), ("0.000001s", CHOICES["gas_logged"])]
)
def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(
    every: str, choice: str, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_settings = settings(choice, "whole")
    cut_settings = settings(f"{choice} trainer.checkpoint_every={every}")
    whole, _ = run.run(whole_settings)
    for visits in (5, 2):
        with killed_at(visits, monkeypatch), pytest.raises(Killed):
            run.run(cut_settings)
        (epochs,) = Path(cut_settings.results_dir).glob("runs/*/epochs.csv")
        epochs.write_text(epochs.read_text() + "4,0.12")  # torn off
    row, _ = run.run(cut_settings)
    check_same(cut_settings, row, whole_settings, whole)


def test_without_checkpoints_a_run_begins_anew(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings("trainer.checkpoint_every=null")
    with signalled_at(6, monkeypatch), pytest.raises(KeyboardInterrupt):
        run.run(chosen)
    run.run(chosen)
    assert len(list(Path(chosen.results_dir).glob("runs/*"))) == 2
    assert not list(Path(chosen.results_dir).glob("runs/*/checkpoint.pt"))


def test_seconds_are_summed_over_the_sessions(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings()
    with signalled_at(6, monkeypatch), pytest.raises(KeyboardInterrupt):
        run.run(chosen)
    (path,) = Path(chosen.results_dir).glob("runs/*/checkpoint.pt")
    state = checkpoint.load(path)
    state["rows"][0]["epoch_s"], state["seconds"]["epoch_s"] = 1000.0, 100.0
    state["run"] |= {"wall_s": 2000.0, "load_s": 10.0, "peak_rss_mib": 1e6, "cpu_energy_j": 5e6}
    checkpoint.save(state, path)
    row, _ = run.run(chosen)
    assert 1100 < row.train_s < 1200
    assert 2000 < row.wall_s < 2100
    assert 10 < row.load_s < 20
    assert row.peak_rss_mib == 1e6
    assert row.cpu_energy_j is not None
    assert row.cpu_energy_j >= 5e6  # where this machine tells it, that of this session is added


def test_max_time_counts_all_sessions(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings("trainer.max_time=1h")
    with signalled_at(6, monkeypatch), pytest.raises(KeyboardInterrupt):
        run.run(chosen)
    (path,) = Path(chosen.results_dir).glob("runs/*/checkpoint.pt")
    state = checkpoint.load(path)
    state["rows"][0]["epoch_s"] = 3599.9999
    checkpoint.save(state, path)
    row, _ = run.run(chosen)
    assert (row.status, row.epochs) == ("completed", 2)


def interrupted(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Interrupt a run in its second epoch; return its checkpoint."""
    with signalled_at(6, monkeypatch), pytest.raises(KeyboardInterrupt):
        run.run(settings)
    (path,) = Path(settings.results_dir).glob("runs/*/checkpoint.pt")
    return path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def put_weights_there(path: Path) -> None:
    checkpoint.save({"weight": torch.zeros(3)}, path)


def put_another_model_there(path: Path) -> None:
    state = checkpoint.load(path)
    state["model"] = {name: value[..., :2] for name, value in state["model"].items()}
    checkpoint.save(state, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "is damaged"),
        (flip_a_byte, "is damaged"),
        (empty, "is damaged"),
        (put_weights_there, "is no checkpoint of a run"),
        (put_another_model_there, "cannot be resumed: it is of another training"),
    ],
)
def test_a_checkpoint_that_is_of_no_use_is_named_with_the_way_out(
    damage: Callable[[Path], None],
    message: str,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings()
    path = interrupted(chosen, monkeypatch)
    damage(path)
    damaged = path.read_bytes()
    for _ in range(2):
        with pytest.raises(DataError, match="remove it, and the run begins anew") as raised:
            run.run(chosen)
        assert f"{path} {message}" in str(raised.value)
        assert "\n" not in str(raised.value)
        assert path.read_bytes() == damaged
    path.unlink()
    row, _ = run.run(chosen)
    assert row.status == "completed"
    assert row.run_id != path.parent.name


@pytest.mark.parametrize("name", ["commit", "source", "torch_version", "device"])
def test_a_run_of_other_code_or_versions_begins_anew_and_says_so(
    name: str,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = interrupted(settings(), monkeypatch)
    run_json = path.parent / "run.json"
    values = resume.json.loads(run_json.read_text())
    values["identity"][name] = "other"
    run_json.write_text(resume.json.dumps(values))
    with caplog.at_level(logging.INFO, "redditgnn"):
        row, _ = run.run(settings())
    assert row.run_id != path.parent.name
    assert f"run {path.parent.name} was killed, but had another {name} (other, now" in caplog.text


def test_a_run_that_goes_on_says_so_in_one_line(
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = interrupted(settings(), monkeypatch)
    with caplog.at_level(logging.INFO, "redditgnn"):
        run.run(settings())
    assert f"run {path.parent.name} resumes after epoch 1, step 2" in caplog.messages


@pytest.mark.parametrize("change", ["seed=1", "model.norm=batch", "protocol=inductive"])
def test_another_run_is_not_gone_on_with(
    change: str, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(settings(), monkeypatch)
    row, _ = run.run(settings(change))
    assert row.run_id != path.parent.name
    assert path.exists()


def test_a_run_that_another_process_works_on_is_left_to_it(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(settings(), monkeypatch)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path.parent / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        row, _ = run.run(settings())
        other.kill()
    assert row.run_id != path.parent.name
    row, _ = run.run(settings())  # which that process, killed, has given up
    assert row.run_id == path.parent.name


def test_a_run_that_was_killed_behind_its_row_is_complete(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(settings(), monkeypatch)
    kept = path.read_bytes()
    first, _ = run.run(settings())
    path.write_bytes(kept)
    row, _ = run.run(settings())
    assert first.run_id == path.parent.name != row.run_id


@contextmanager
def no_file_above(num_bytes: int) -> Iterator[None]:
    """Let the system refuse to write larger files, as a disk does that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_costs_checkpoint_and_weights_and_not_the_run(
    settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings("trainer.checkpoint_every=1 model.num_layers=20")
    whole, _ = run.run(chosen)
    with no_file_above(10_000):
        row, _ = run.run(chosen)
    assert (row.status, row.test) == ("completed", whole.test)
    for name in (resume.CHECKPOINT, "best.pt"):
        assert f"{row.run_id}/{name} could not be written: File too large" in caplog.text
    assert not list(folder_of(chosen, row).glob("*.pt*"))


def test_a_save_that_fails_leaves_what_was_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint.save({"a": torch.ones(2)}, path)
    with no_file_above(20_000):
        checkpoint.save({"a": torch.zeros(20_000)}, path)
    assert f"{path} could not be written: File too large" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert checkpoint.load(path)["a"].tolist() == [1, 1]


def test_what_cannot_be_written_for_another_reason_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="lambda"):
        checkpoint.save({"a": lambda: None}, tmp_path / "checkpoint.pt")
    assert not list(tmp_path.iterdir())


def test_a_row_counts_as_completed_in_a_table_with_a_damaged_line(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted(settings(), monkeypatch)
    kept = path.read_bytes()
    first, table = run.run(settings())
    path.write_bytes(kept)
    header, *lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(b"\xef\xbb\xbf" + header + b'\xff,"torn\n' + b"".join(lines))
    row, _ = run.run(settings())
    assert first.run_id == path.parent.name != row.run_id


def test_lines_of_zeros_behind_a_loss_of_power_are_dropped(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, whole = settings(), settings("results_dir=whole")
    path = interrupted(chosen, monkeypatch)
    with (path.parent / "epochs.csv").open("ab") as file:
        file.write(b"2,0.5\n" + b"\0" * 40 + b"\n3,0.5,\n")
    row, _ = run.run(chosen)
    check_same(chosen, row, whole, run.run(whole)[0])


def test_a_checkpoint_that_takes_long_is_written_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    checkpointer = Checkpointer(
        Path("unused"), Cadence("key", "10s"), Interruption(print), dict, None
    )
    monkeypatch.setattr(Checkpointer, "_write_checkpoint", lambda self, state: 2.0)
    written = []
    for second in range(100):
        now[0] = float(second)
        if checkpointer.maybe_save(dict, ends_epoch=False):
            written.append(second)
    assert written == [10, 50, 90]  # a twentieth of the time at most
