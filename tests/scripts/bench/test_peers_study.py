"""GAT here beside PyG and DGL: the same settings for all, in turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from scripts.bench import peers_study
from scripts.bench.peers import gat_training
from scripts.bench.peers.gat_training import DGL, OURS, PYG, PygGat

GAT = [*peers_study.SETTINGS, "trainer.epochs=2", "device=cpu"]


def outcome(accuracy: float, epoch_s: float) -> dict[str, Any]:
    return {"accuracy": accuracy, "epoch_s": epoch_s, "peak_mib": 100 * epoch_s}


def test_every_seed_is_trained_by_all_sides_and_begins_with_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[list[str]] = []

    def run_module(module: str, arguments: list[str]) -> dict[str, Any]:
        calls.append(arguments)
        return outcome(0.5, 1.0)

    monkeypatch.setattr(peers_study, "run_module", run_module)
    outcomes = peers_study.train_all([OURS, PYG], ["KEY=1"], 2)
    assert [call[:2] for call in calls] == [[OURS, "0"], [PYG, "0"], [PYG, "1"], [OURS, "1"]]
    assert all(call[2:] == ["KEY=1"] for call in calls)
    assert {side: len(runs) for side, runs in outcomes.items()} == {OURS: 2, PYG: 2}


def test_a_row_has_accuracy_seconds_and_memory_or_says_what_failed(
    make_graph: Callable[..., GraphData],
) -> None:
    outcomes = {
        OURS: [outcome(0.8, 1.0), outcome(0.6, 2.0)],
        PYG: [outcome(0.7, 2.0), outcome(0.7, 4.0)],
        DGL: [outcome(0.7, 2.0), {"status": "failed", "note": "exit code 1"}],
    }
    ours, pyg, dgl = peers_study.rows_of(outcomes, make_graph(), "words")
    assert (ours.accuracy_mean, ours.median_s, ours.ratio) == (pytest.approx(0.7), 1.5, 0.5)
    assert ours.accuracy_std == pytest.approx(0.1414, abs=1e-4)
    assert (ours.peak_mib, pyg.peak_mib, pyg.ratio) == (200, 400, None)
    assert (dgl.status, dgl.note, dgl.accuracy_mean) == ("failed", "exit code 1", None)


def test_pygs_model_computes_what_ours_does_with_the_same_weights(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=30, num_edges=90)
    parts = Parts(compose_settings(GAT), graph=graph)
    peer = PygGat(graph, parts.settings.components["model"]).eval()
    ours = dict(parts.model.named_parameters())
    theirs = dict(peer.named_parameters())
    for layer, name in enumerate(("_first", "_last")):
        for weight in ("att_src", "att_dst", "bias", "lin.weight"):
            theirs[f"{name}.{weight}"].data.copy_(ours[f"convs.{layer}.{weight}"])
    (batch,) = parts.sampler
    torch.testing.assert_close(peer(), parts.model.eval()(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [OURS, PYG])
def test_a_side_prints_its_outcome_last(
    side: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*GAT, "dataset=sbm", "dataset.scale=0.002", f"data_dir={tmp_path}"]
    assert gat_training.main([side, "0", *words]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found.keys() == {"accuracy", "epoch_s", "peak_mib"}
    assert 0 <= found["accuracy"] <= 1
    assert found["epoch_s"] > 0 < found["peak_mib"]
