"""Trainings on parts of a graph, in processes that talk through gloo."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from redditgnn.distributed.team import Alone, Team
from tests.conftest import TINY
from tests.distributed.trained import train_on_parts

STEPS = 4
# Adam would make steps of the noise in the gradient of a bias before a batch normalisation.
RUN = [*TINY, "model.norm=batch", "model.dropout=0.0", "optimizer=sgd", f"trainer.epochs={STEPS}"]
MODES: dict[str, dict[str, Any]] = {
    "exact": {},
    "stale": {"staleness": 1},
    "boundary": {"boundary_rate": 0.3},
    "bf16": {"wire_dtype": "bf16"},
}
RESUMED = ("stale", "boundary")


@pytest.mark.slow
def test_the_command_starts_processes_that_train_on_parts(call, tmp_path: Path) -> None:
    places = [f"data_dir={tmp_path}", f"results_dir={tmp_path / 'results'}"]
    whole = [*RUN, "sampler=full", *places]
    for parts in ([], ["parallel=partition", "parallel.processes=2"]):
        code, stderr = call("train", *whole, *parts)
        assert code == 0, stderr
    lines = (tmp_path / "results" / "runs.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["processes"] for row in rows] == ["1", "2"]
    assert rows[0]["config_hash"] == rows[1]["config_hash"]
    for name in ("train_loss", "test_micro_f1"):
        assert float(rows[0][name]) == pytest.approx(float(rows[1][name]), rel=1e-4)


def train_in_every_mode(team: Team, folder: str) -> dict[str, dict[str, Any]]:
    """Train in each mode, and once more after an interruption. An exact one is left interrupted."""
    data, results = [*RUN, f"data_dir={folder}"], {}
    for mode, halo in MODES.items():
        results[mode] = train_on_parts(team, data, "metis", halo, folder)
    for mode in RESUMED:
        place = place_of(folder, mode)
        train_on_parts(team, data, "metis", MODES[mode], place, stop_after=2)
        results[f"{mode}, resumed"] = train_on_parts(team, data, "metis", MODES[mode], place)
    train_on_parts(team, data, "metis", {}, place_of(folder, "interrupted"), stop_after=1)
    return results


def place_of(folder: str, mode: str) -> str:
    Path(folder, mode).mkdir(exist_ok=True)
    return str(Path(folder, mode))


def test_two_processes_train_on_parts_as_one_does_on_the_whole(in_team, tmp_path: Path) -> None:
    overrides = [*RUN, f"data_dir={tmp_path}"]
    whole = train_on_parts(Alone(), overrides, "order", {}, str(tmp_path))
    one, other = in_team(2, train_in_every_mode, str(tmp_path))
    for mode in one:
        assert one[mode]["weights"] == other[mode]["weights"]
    for mode in RESUMED:
        for name in ("weights", "loss"):
            assert one[f"{mode}, resumed"][name] == one[mode][name]
    resumed = train_on_parts(
        Alone(), overrides, "order", {}, place_of(str(tmp_path), "interrupted")
    )
    assert resumed["loss"][0] == one["exact"]["loss"][0]
    assert resumed["weights"] == pytest.approx(whole["weights"], rel=1e-4, abs=1e-4)
    assert one["exact"]["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert one["exact"]["weights"] == pytest.approx(whole["weights"], rel=1e-4, abs=1e-4)
    assert one["stale"]["loss"][0] == one["exact"]["loss"][0]
    for mode in ("stale", "boundary", "bf16"):
        assert one[mode]["loss"] != one["exact"]["loss"]
        assert one[mode]["loss"] == pytest.approx(whole["loss"], rel=0.2)
