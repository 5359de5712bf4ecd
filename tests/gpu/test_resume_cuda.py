"""A run on CUDA that was interrupted resumes: captured steps, histories, the GPU's generators."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from redditgnn.config.compose import compose_settings
from redditgnn.run import execution as run
from redditgnn.trainer.checkpointing import Checkpointer

pytestmark = pytest.mark.gpu
SAMPLERS = {
    "tree": "sampler=neighbor_tree sampler.num_neighbors=[5,5] sampler.batch_size=64",
    "eager_tree": "sampler=neighbor_tree sampler.num_neighbors=[5,5] sampler.cuda_graph=false",
    "full": "sampler=full",
    "neighbor": "sampler=neighbor sampler.num_neighbors=[5,5] sampler.batch_size=64",
    "gas": "sampler=gas sampler.num_parts=10 sampler.batch_size=2 sampler.partition=random",
    "gas_on_host": "sampler=gas sampler.num_parts=10 sampler.batch_size=2 "
    "sampler.partition=random sampler.history_device=cpu",
}


@pytest.mark.parametrize("choice", SAMPLERS.values(), ids=SAMPLERS)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings(folder: str):
        small = "dataset=sbm dataset.scale=0.005 model=sage model.hidden_channels=32 device=cuda"
        places = f"data_dir={tmp_path} results_dir={tmp_path / folder} trainer.epochs=4"
        return compose_settings(f"{small} {choice} {places}".split())

    whole, _ = run.run(settings("whole"))
    maybe_save, seen = Checkpointer.maybe_save, []

    def signalled(self: Checkpointer, state, *, ends_epoch: bool) -> float:
        seen.append(ends_epoch)
        self.stop.is_requested = len(seen) == 3
        return maybe_save(self, state, ends_epoch=ends_epoch)

    monkeypatch.setattr(Checkpointer, "maybe_save", signalled)
    with pytest.raises(KeyboardInterrupt):
        run.run(settings("cut"))
    row, _ = run.run(settings("cut"))
    assert row.epochs == whole.epochs == 4
    losses = []
    for folder, run_id in (("whole", whole.run_id), ("cut", row.run_id)):
        with (tmp_path / folder / "runs" / run_id / "epochs.csv").open(newline="") as file:
            losses.append([float(line["train_loss"]) for line in csv.DictReader(file)])
    # Sums by atomic additions differ in their last bits from run to run.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
