"""Layers as stages of a pipeline: the weights of one process that takes steps over chunks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from redditgnn.distributed.parcel import Parcels, sent_bytes
from redditgnn.distributed.stages import Stages
from redditgnn.distributed.team import Alone
from redditgnn.errors import ConfigError
from tests.distributed.pipelines import errors_of_a_stage, train_stages

SMALL = [
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=12", "dataset.num_classes=4"),
    *("model.hidden_channels=8", "sampler=gas", "sampler.num_parts=7", "sampler.batch_size=1"),
    *("trainer.batches_per_step=5", "trainer.epochs=2", "device=cpu", "seed=3"),
]  # the second step of an epoch has two chunks
MODELS = {  # with dropout, where nothing else is said
    "gcn": ["model=gcn", "model.num_layers=5", "model.norm=batch", "trainer.grad_clip=0.1"],
    "sage": ["model=sage", "model.num_layers=4", "trainer.recompute=layers"],
    "gat": ["model=gat", "model.num_layers=3", "model.heads=2"],
    "gcn2": ["model=gcn2", "model.num_layers=8", "optimizer.nonreg_weight_decay=0.01"],
    "appnp": ["model=appnp", "model.num_layers=3"],
}
MORE = {
    "gatv2": ["model=gatv2", "model.num_layers=3", "model.heads=2"],
    "gin": ["model=gin", "model.num_layers=3"],
    "pna": ["model=pna", "model.num_layers=3"],
    "mlp": ["model=mlp", "model.num_layers=3"],
    "jk": ["model=gcn", "model.num_layers=3", "model.jk=last", "sampler.batch_size=2"],
    "linear skips": ["model=sage", "model.num_layers=3", "model.residual=linear"],
}
PAIRS = [("gcn", "gpipe"), ("gcn", "1f1b"), ("sage", "gpipe"), ("gat", "1f1b")]
PAIRS += [("gcn2", "gpipe"), ("appnp", "1f1b")]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("data"))


def pipelined(case: list[str], schedule: str) -> list[str]:
    return [*case, "parallel=pipeline", f"parallel.schedule={schedule}"]


def assert_same_bits(stages: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    histories: dict[int, float] = {}
    for stage in stages:
        assert stage["losses"] == alone["losses"]
        assert stage["weights"] == alone["weights"]
        assert not histories.keys() & stage["histories"].keys()
        histories |= stage["histories"]
    assert histories == alone["histories"]
    owned = sum(stage["states"] for stage in stages)
    assert owned == alone["states"], "every weight is trained on one stage"


def test_two_stages_give_the_bits_of_one_process(in_team, data_dir) -> None:
    results = train_stages(Alone(), [[*SMALL, *keys] for keys in MODELS.values()], data_dir)
    alone = dict(zip(MODELS, results, strict=True))
    assert len({one["weights"] for one in alone.values()}) == len(MODELS)
    cases = [pipelined([*SMALL, *MODELS[model]], schedule) for model, schedule in PAIRS]
    ranks = in_team(2, train_stages, cases, data_dir)
    for number, (model, _) in enumerate(PAIRS):
        assert_same_bits([rank[number] for rank in ranks], alone[model])
    rank, other = ranks[0][0], ranks[1][0]  # of five layers, four of which have histories
    assert max(rank["bytes"], other["bytes"]) <= 0.55 * alone["gcn"]["bytes"]
    chunks, steps = 7 * 2, 4
    assert rank["steps"] == steps
    extra = 4 * (14 + 2 * 18 + 5) * steps  # of the one collective of a step: losses, norms, stop
    sent = rank["sent"] + other["sent"]
    assert sent == pytest.approx(sent_bytes(rank["parcel"], chunks, 2), abs=2 * extra)


@pytest.mark.slow
def test_stages_give_the_bits_of_one_process_with_every_model(in_team, data_dir) -> None:
    models = [[*SMALL, *keys] for keys in (MODELS | MORE).values()]
    alone = train_stages(Alone(), models, data_dir)
    for size, schedule in ((2, "gpipe"), (2, "1f1b"), (3, "1f1b")):
        ranks = in_team(
            size, train_stages, [pipelined(case, schedule) for case in models], data_dir
        )
        for number, expected in enumerate(alone):
            assert_same_bits([rank[number] for rank in ranks], expected)


@pytest.mark.parametrize(
    ("num_layers", "size", "layers", "histories"),
    [
        (5, 2, [3, 2], [2, 2]),
        (4, 2, [2, 2], [1, 2]),
        (8, 3, [3, 3, 2], [2, 3, 2]),
        (2, 2, [1, 1], [0, 1]),
    ],
)
def test_stages_have_all_layers_in_their_order(num_layers, size, layers, histories) -> None:
    stages = Stages(num_layers, size, "1f1b")
    dealt = [stages.layers(rank) for rank in range(size)]
    assert [layer for own in dealt for layer in own] == list(range(num_layers))
    assert [len(own) for own in dealt] == layers
    stored = [stages.stored_layers(rank) for rank in range(size)]
    assert [layer for own in stored for layer in own] == list(range(num_layers - 1))
    assert [len(own) for own in stored] == histories
    assert stages.share_of_histories == pytest.approx(max(histories) / (num_layers - 1))


def test_an_error_of_a_stage_is_told_from_the_end_of_another(in_team, data_dir) -> None:
    case = [*SMALL, *MODELS["gcn"], f"data_dir={data_dir}"]
    assert in_team(1, errors_of_a_stage, case) == [["MemoryError", "TeamFailed"]]


def test_a_stage_needs_a_layer() -> None:
    with pytest.raises(ConfigError, match="which is 2, got 3"):
        Stages(2, 3, "1f1b")


def test_a_pipeline_is_idle_while_it_fills_and_drains() -> None:
    assert Stages(4, 1, "1f1b").bubble(8) == 0
    assert Stages(4, 2, "1f1b").bubble(8) == pytest.approx(1 / 9)
    assert Stages(8, 4, "gpipe").bubble(16) == pytest.approx(3 / 19)


def test_a_parcel_brings_states_and_the_random_numbers_that_come_next() -> None:
    parcels = Parcels(5, [2, 3], CPU, CPU)
    states = [torch.randn(4, 2, requires_grad=True), torch.randn(4, 3)]
    torch.manual_seed(1)
    vector = parcels.pack(states)
    expected = torch.rand(3)
    torch.manual_seed(2)
    h, h0 = parcels.unpack(vector, 4)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(h, states[0])
    assert torch.equal(h0, states[1])
    assert vector.shape == parcels.empty().shape
    h.square().sum().backward()
    assert torch.equal(states[0].grad, 2 * states[0].detach())
