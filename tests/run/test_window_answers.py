"""Answers of a run in time are those of a test window: its edges, its nodes, its model."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

import redditgnn
from redditgnn.command import diagnose, predict
from redditgnn.errors import ConfigError
from redditgnn.run.saved import load_run

CONTACTS = Path(__file__).parents[1] / "data" / "SocioPatterns" / "raw"
QUICK = ("dataset=workplace", "model=gcn", "model.hidden_channels=8", "sampler=full", "device=cpu")
TEMPORAL = ("protocol=temporal", "protocol.windows=3", "protocol.repeated=merge")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contacts")
    raw = folder / "SocioPatterns" / "raw"
    raw.mkdir(parents=True)
    for path in CONTACTS.glob("workplace*"):
        shutil.copy(path, raw)
    return folder


@pytest.fixture(scope="module")
def train(data_dir: Path) -> Callable[..., redditgnn.Run]:
    def trained(*overrides: str) -> redditgnn.Run:
        places = (f"data_dir={data_dir}", f"results_dir={data_dir / 'results'}")
        return redditgnn.train([*QUICK, "trainer.epochs=4", *places, *overrides])

    return trained


@pytest.fixture(scope="module")
def warm(train: Callable[..., redditgnn.Run]) -> redditgnn.Run:
    return train(*TEMPORAL, "protocol.update=warm_start", "protocol.history=20%")


def ages(run: redditgnn.Run) -> list[dict[str, str]]:
    with (run.folder / "ages.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("update", ["frozen", "warm_start"])
def test_answers_score_as_the_window_did(
    train: Callable[..., redditgnn.Run], warm: redditgnn.Run, update: str
) -> None:
    run = warm if update == "warm_start" else train(*TEMPORAL)
    for number, line in enumerate(ages(run), start=1):
        at = run.on([], window=number)
        assert (at.window, at.graph.num_edges) == (number, int(line["edges"]))
        assert int(at.graph.test_mask.sum()) == int(line["nodes"])
        right = (at.predict() == at.graph.y)[at.graph.test_mask].float().mean()
        assert float(right) == pytest.approx(float(line["accuracy"]))
    assert run.window == number == 3
    assert run.graph.num_edges == at.graph.num_edges


def test_the_commands_say_which_window_and_write_files_of_its_own(
    warm: redditgnn.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    results = f"results_dir={warm.folder.parents[1]}"
    for argv, name in (([], "predictions.csv"), (["--window", "1"], "predictions-window-1.csv")):
        assert predict.main([warm.run_id, results, "--split", "test", *argv]) == 0
        number = 1 if argv else 3
        assert f"own graph, at the end of window {number}, to" in capsys.readouterr().out
        assert len(pd.read_csv(warm.folder / name)) == int(ages(warm)[number - 1]["nodes"])
    assert diagnose.main([warm.run_id, results, "--window", "2"]) == 0
    assert "test nodes of workplace at the end of window 2" in capsys.readouterr().out
    assert (warm.folder / "diagnosis-window-2" / "index.html").is_file()


def test_a_window_that_is_not_there_is_refused(
    warm: redditgnn.Run, train: Callable[..., redditgnn.Run]
) -> None:
    for number in (0, 4):
        with pytest.raises(ConfigError, match=f"--window must be 1 to 3.*got {number}"):
            _ = warm.on([], window=number).graph
    plain = train()
    assert plain.window is None
    with pytest.raises(ConfigError, match=r"--window=1 needs a run of protocol=temporal.*transd"):
        _ = plain.on([], window=1).graph


def test_an_exported_window_has_its_edges(warm: redditgnn.Run, tmp_path: Path) -> None:
    run = load_run(warm.run_id, warm.folder.parents[1])
    data = torch.load(run.export(tmp_path / "export") / "data.pt", weights_only=True)
    assert data["edge_index"].shape == (2, int(ages(warm)[-1]["edges"]))
