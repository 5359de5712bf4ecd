"""Trainings that processes share on a GPU: they have the weights of one process."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributed import FileStore

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.team import Alone, Processes, Team
from redditgnn.parts import Parts

pytestmark = pytest.mark.gpu

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=12", "dataset.num_classes=4"),
    *("model.hidden_channels=8", "sampler=neighbor", "sampler.batch_size=45", "seed=3"),
    *("trainer.epochs=2", "trainer.batches_per_step=2"),
)
MODELS = {"sage": ("model=sage", "model.dropout=0.3"), "gat": ("model=gat", "model.heads=2")}
TOLERANCE = {"sage": 0.0, "gat": 1e-5}  # attention adds up gradients by atomic operations
LIMIT_S = 200.0


def weights_of(team: Team, model: str, data_dir: Path) -> dict[str, Tensor]:
    """Train on the GPU as one process of `team`, and return the weights of the last epoch."""
    folder = f"data_dir={data_dir}"
    parts = Parts(compose_settings([*SMALL, *MODELS[model], "device=cuda:0", folder]))
    losses = iter((2.0, 1.0))
    with parts.in_effect():
        torch.manual_seed(parts.settings.seed)
        parts.trainer.fit(
            parts.model,
            parts.optimizer,
            parts.scheduler,
            parts.sampler,
            lambda *_: (next(losses), {"micro_f1": 0.5}),
            data_dir / "best.pt",
            lambda _: None,
            team=team,
            seed=parts.settings.seed,
        )
    return parts.model.state_dict()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("model", MODELS)
def test_one_process_with_nccl_gives_the_weights_of_none(model, data_dir, tmp_path):
    alone = weights_of(Alone(), model, data_dir)
    store = FileStore(str(tmp_path / "store"), 1)
    team = Processes(store, 0, 1, backend="nccl", timeout_s=LIMIT_S)
    try:
        shared = weights_of(team, model, data_dir)
    finally:
        team.close()
    torch.testing.assert_close(shared, alone, rtol=TOLERANCE[model], atol=TOLERANCE[model])


def best_weights(results: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The last row of a run, and its best weights."""
    with (results / "runs.csv").open(newline="") as file:
        row = list(csv.DictReader(file))[-1]
    path = results / "runs" / row["run_id"] / "best.pt"
    return row, torch.load(path, map_location="cpu")


STAGES = ("model=gcn2", "model.num_layers=4", "sampler=gas", "sampler.num_parts=6")
STAGES += ("sampler.batch_size=1",)
TOGETHER = {
    "data": MODELS["sage"],
    "pipeline": STAGES,
}


@pytest.mark.parametrize("mode", TOGETHER)
def test_two_processes_with_gloo_share_a_gpu(data_dir, tmp_path, mode):
    shared = (f"parallel={mode}", "parallel.processes=2", "parallel.timeout=60s")
    weights, row = [], {}
    for name, arguments in (("alone", ()), ("shared", shared)):
        command = [sys.executable, "-m", "redditgnn", "train", *SMALL, *TOGETHER[mode], *arguments]
        folders = [f"data_dir={data_dir}", f"results_dir={tmp_path / name}"]
        subprocess.run([*command, "device=cuda", *folders], timeout=LIMIT_S, check=True)
        row, best = best_weights(tmp_path / name)
        weights.append(best)
    assert [row["processes"], row["backend"]] == ["2", "gloo"]
    for key, expected in weights[0].items():
        torch.testing.assert_close(weights[1][key], expected, rtol=1e-5, atol=1e-5)
