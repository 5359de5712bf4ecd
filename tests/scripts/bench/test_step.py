"""Training steps from the graph to rows: wrong numbers have no time, slow sides one call."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from scripts.bench import step, step_bench, step_histories, step_precision, step_tiers
from scripts.bench.cases.setup import Setup
from scripts.bench.step_bench import FirstCall, StepBench
from scripts.bench.step_histories import ALONE, FAR, NEAR
from scripts.bench.timing.alternate import Side
from scripts.bench.timing.memory import Memory

NARROW = 16


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are not compared with float64, which test_exact_training.py does."""
    monkeypatch.setattr(StepBench, "faults", lambda bench, trainings: {})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> StepBench:
    setup = Setup(
        dataset="sbm",
        scale=0.002,
        data_dir=str(tmp_path_factory.mktemp("data")),
        device_name="cpu",
        repeats=1,
        budget_s=0,
        memory_limit_gib=1000,
    )
    folder = tmp_path_factory.mktemp("weights")
    return StepBench(setup, folder, batches=1, num_workers=0, patience_s=60)


def test_wrong_numbers_have_a_failed_row_and_no_time(bench: StepBench) -> None:
    calls: list[str] = []
    sides = [Side(name, lambda name=name: calls.append(name)) for name in ("ours", "bad", "far")]
    errors = {"ours": 1e-7, "far": 0.1}
    rows = bench.compare(
        "work", sides, {}, error=errors.__getitem__, faults={"bad": "wrong numbers: it is bad"}
    )
    assert [row.status for row in rows] == ["completed", "failed", "failed"]
    assert [row.median_s is None for row in rows] == [False, True, True]
    assert [row.note for row in rows[1:]] == [
        "wrong numbers: it is bad",
        "wrong numbers: 1.0e-01 from float64",
    ]
    assert "bad" not in calls
    assert calls.count("far") == 1  # for its memory and its error


def test_without_a_right_side_nothing_is_timed(bench: StepBench) -> None:
    rows = bench.compare("work", [Side("ours", int)], {}, faults={"ours": "wrong numbers"})
    assert [(row.status, row.n) for row in rows] == [("failed", 0)]


def test_a_slow_side_is_called_once(bench: StepBench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    sides = [Side(name, lambda name=name: calls.append(name)) for name in ("ours", "slow")]
    seconds = {"ours": FirstCall(Memory(0, 0), 0.1), "slow": FirstCall(Memory(0, 0), 99.0)}
    monkeypatch.setattr(bench, "_first_calls", lambda sides: seconds)
    ours, slow = bench.compare("work", sides, {})
    assert calls == ["ours"]
    assert (slow.n, slow.median_s) == (1, 99.0)
    assert slow.ratio == pytest.approx(99.0 / ours.median_s)


def test_exact_evaluation_is_compared_with_float64(
    bench: StepBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "pyg_can_sample", lambda: False)
    (row,) = step.evaluation("exact evaluation", bench)
    assert row.status == "completed"
    assert 0 < row.output_error < 1e-5
    right = step.float64_sage
    monkeypatch.setattr(step, "float64_sage", lambda *inputs: 1.01 * right(*inputs))
    (row,) = step.evaluation("exact evaluation", bench)
    assert row.status == "failed"
    assert row.median_s is None


def test_the_hidden_share_is_what_the_epoch_did_not_become_longer_by() -> None:
    assert step_histories.hidden_share(1.0, 1.0, 0.4) == 1.0
    assert step_histories.hidden_share(1.0, 1.1, 0.4) == pytest.approx(0.75)
    assert step_histories.hidden_share(1.0, 1.4, 0.4) == pytest.approx(0.0)


@pytest.mark.usefixtures("unchecked")
def test_transfers_of_histories_have_rows_of_their_own(bench: StepBench) -> None:
    rows = step_histories.history_transfers("history transfers", bench)
    assert [row.side for row in rows] == [NEAR, FAR, ALONE]
    assert {row.status for row in rows} == {"completed"}
    assert all(json.loads(row.settings)["transferred_mib"] > 0 for row in rows)
    assert [bool(row.note) for row in rows] == [False, True, False]


def test_a_hidden_share_needs_transfers_that_take_longer_than_epochs_vary(bench: StepBench) -> None:
    near, far, alone = (bench.row("work", side, NEAR) for side in (NEAR, FAR, ALONE))
    near = replace(near, settings="{}", median_s=1.0, low_s=0.9, high_s=1.1)
    far = replace(far, settings="{}", median_s=1.1, low_s=1.1, high_s=1.2)
    long, short = replace(alone, median_s=0.4), replace(alone, median_s=0.1)
    row = step_histories.with_hidden_share(far, [near, far, long])
    assert row.note == "75% of transfers hidden"
    assert json.loads(row.settings) == {"hidden_share": 0.75}
    row = step_histories.with_hidden_share(far, [near, far, short])
    assert row.note == "transfers take less than epochs vary"
    failed = replace(far, median_s=None)
    assert step_histories.with_hidden_share(failed, [near, failed, long]) == failed


@pytest.mark.usefixtures("unchecked")
def test_tiers_say_what_they_move_and_how_often_the_cache_has_it(bench: StepBench) -> None:
    rows = {row.side: row for row in step_tiers.feature_tiers("feature tiers", bench)}
    assert {row.status for row in rows.values()} == {"completed"}
    traffic = {side: json.loads(row.settings) for side, row in rows.items()}
    shares = [traffic[f"pinned, {share}% cached"]["hit_share"] for share in (20, 5, 0)]
    assert traffic["device"]["hit_share"] == 1 > shares[0] > shares[1] > shares[2] == 0
    assert shares[0] > 0.2, "nodes with many neighbours are read more often than others"
    assert traffic["device"]["moved_mib"] == 0 < traffic["mmap"]["moved_mib"]


@pytest.mark.skipif(sys.platform != "linux", reason="the page cache is emptied as on Linux")
def test_cold_tiers_say_what_they_read(bench: StepBench) -> None:
    rows = step_tiers.cold_tiers("cold feature tiers", bench)
    assert [row.side.split(",")[0] for row in rows] == ["mmap", "packed"] * 2
    assert {row.status for row in rows} == {"completed"}
    assert all("MiB read" in row.note for row in rows)


def test_a_tier_that_gives_other_rows_is_wrong(bench: StepBench) -> None:
    overrides = ["model=sage", "sampler=neighbor", f"model.hidden_channels={NARROW}"]
    training = bench.ours(overrides)
    assert step_tiers.rows_fault(training, bench.graph) == ""
    sampler: Any = training.sampler
    sampler._placed = sampler._placed._replace(table=bench.graph.x.roll(1, 0))
    assert "other rows" in step_tiers.rows_fault(training, bench.graph)


def test_forms_that_the_machine_lacks_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step_precision, "bf16_obstacle", lambda device: "no units")
    monkeypatch.setattr(step_precision, "compile_obstacle", lambda: None)
    forms = step_precision.usable_forms(torch.device("cpu"))
    assert list(forms) == ["fp32", "fp32 compiled"]
    assert "bf16: no units" in capsys.readouterr().out


@pytest.mark.usefixtures("unchecked")
def test_what_was_trained_in_each_form_is_scored(
    bench: StepBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_precision, "usable_forms", lambda device: ["fp32"])
    (row,) = step_precision.precisions("precision", bench)
    assert row.note.startswith("test micro-F1 0.")


def test_a_training_with_a_fault_is_not_timed(
    bench: StepBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_bench, "training_fault", lambda training, small, folder: "wrong")
    training = bench.ours(["model=mlp", "sampler=full"])
    (row,) = bench.compare_epochs("work", {"ours": training}, {})
    assert (row.status, row.note, row.median_s) == ("failed", "wrong", None)
    assert training.losses == []
