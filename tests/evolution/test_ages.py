"""Scores by age are those of the runs that trained on the past of the same graph."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from redditgnn.evolution.ages import scores_by_age, side_by_side
from redditgnn.evolution.page import _scores
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from tests.evolution.graphs import graph_of

OURS = Fingerprint(edges="4:aa", labels="2:bb", times="4:cc")
RUNS: list[dict[str, Any]] = [
    {"run_id": "a", "seed": 0, "history": None},
    {"run_id": "b", "seed": 1, "history": None},
    {"run_id": "c", "seed": 0, "history": "10%", "update": "warm_start"},
    {"run_id": "of other edges", "seed": 0, "history": "10%", "edges": "4:dd"},
    {"run_id": "inductive", "seed": 0, "history": "10%", "protocol": "inductive"},
    {"run_id": "failed", "seed": 0, "history": "10%", "status": "failed"},
]
SCORES = {"a": [0.9, 0.7], "b": [0.7, 0.5], "c": [0.4, 0.6]}


@pytest.fixture
def graph() -> GraphData:
    graph = graph_of(np.array([[0, 1], [1, 2]]), 3, edge_time=np.array([1, 2]))
    return replace(graph, fingerprint=OURS)


@pytest.fixture
def results_dir(tmp_path: Path) -> Path:
    rows = [row_of(run) for run in RUNS]
    with (tmp_path / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        folder = tmp_path / "runs" / row["run_id"]
        folder.mkdir(parents=True)
        first, second = SCORES.get(row["run_id"], [0.0, 0.0])
        text = f"split,last,age,micro_f1\ntest,30,10,{first}\ntest,50,30,{second}\n"
        (folder / "ages.csv").write_text(text)
    return tmp_path


def row_of(run: dict[str, Any]) -> dict[str, Any]:
    data = replace(OURS, edges=run.get("edges", OURS.edges), protocol="temporal:ee")
    settings = {"protocol.history": run["history"], "protocol.until": "60%"}
    settings |= {"protocol.update": run["update"]} if "update" in run else {}
    return {
        "run_id": run["run_id"],
        "status": run.get("status", "completed"),
        "dataset": "small",
        "model": "gat",
        "sampler": "full",
        "seed": run["seed"],
        "protocol": run.get("protocol", "temporal"),
        "fingerprint": str(data),
        "config_hash": f"hash {run['history']}",
        "test_micro_f1": np.mean(SCORES.get(run["run_id"], [0.0])),
        "hyperparameters": json.dumps({**settings, "trainer.monitor": "val_micro_f1"}),
    }


def test_scores_are_means_over_the_seeds_of_a_configuration(graph, results_dir):
    table = scores_by_age(results_dir, graph)
    assert table.history.tolist() == ["all", "all", "10%", "10%"]
    assert table["update"].tolist() == ["frozen", "frozen", "warm_start", "warm_start"]
    assert table["last"].tolist() == [30, 50, 30, 50]
    assert table.age.tolist() == [10, 30, 10, 30]
    assert table.score.tolist() == pytest.approx([0.8, 0.6, 0.4, 0.6])
    assert table.runs.tolist() == [2, 2, 1, 1]
    assert table.test.tolist() == pytest.approx([0.7, 0.7, 0.5, 0.5])


def test_a_configuration_is_a_row_and_a_line(graph, results_dir):
    wide = side_by_side(scores_by_age(results_dir, graph))
    assert wide[["window 1", "window 2"]].to_numpy().tolist() == [
        pytest.approx([0.8, 0.6]),
        pytest.approx([0.4, 0.6]),
    ]
    section = _scores(wide)
    assert section.count('class="line"') == 2
    assert "gat, history 10%, until 60%, warm_start\nwindow 2: 0.6" in section


def test_without_runs_on_this_graph_there_is_nothing(graph, results_dir, tmp_path):
    other = replace(graph, fingerprint=replace(OURS, times="4:zz"))
    assert scores_by_age(results_dir, other).empty
    assert scores_by_age(tmp_path / "nowhere", graph).empty
