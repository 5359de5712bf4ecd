"""Layers as stages of a pipeline: the weights of one process that takes steps over chunks."""

from __future__ import annotations

import pytest

from redditgnn.distributed.team import Alone
from tests.distributed.pipelines import train

SMALL = [
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=12", "dataset.num_classes=4"),
    *("model.hidden_channels=8", "sampler=gas", "sampler.num_parts=7", "sampler.batch_size=1"),
    *("trainer.batches_per_step=5", "trainer.epochs=2", "device=cpu", "seed=3"),
]  # the second step of an epoch has two chunks
MODELS = {
    "gcn": ["model=gcn", "model.num_layers=4", "model.norm=batch", "trainer.grad_clip=0.1"],
    "sage": ["model=sage", "model.num_layers=3", "model.dropout=0.5"],
    "gat": ["model=gat", "model.num_layers=3", "model.heads=2"],
    "gcn2": ["model=gcn2", "model.num_layers=8"],
    "appnp": ["model=appnp", "model.num_layers=5"],
}
PIPELINE = "parallel=pipeline"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("data"))


def test_two_stages_give_the_bits_of_one_process(in_team, data_dir) -> None:
    models = [[*SMALL, *keys] for keys in MODELS.values()]
    alone = train(Alone(), models, data_dir)
    cases = [
        [*case, PIPELINE, f"parallel.schedule={s}"] for s in ("gpipe", "1f1b") for case in models
    ]
    one, other = in_team(2, train, cases, data_dir)
    for number, expected in enumerate(alone * 2):
        for stage in (one[number], other[number]):
            assert stage["losses"] == expected["losses"]
            assert stage["weights"] == expected["weights"]
