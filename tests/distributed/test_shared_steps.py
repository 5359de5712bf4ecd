"""Steps over several batches: what they are, and that processes change nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from redditgnn.config.compose import compose_settings
from redditgnn.distributed.deal import Deal
from redditgnn.distributed.gradients import StepSum
from redditgnn.distributed.team import Alone, Team
from redditgnn.parts import Parts
from redditgnn.sampler.base import every_batch, sampler_position, set_sampler_position
from redditgnn.trainer.epoch import SECONDS, EpochClock, batches_from
from redditgnn.trainer.shared import SharedSteps
from redditgnn.trainer.step import Step, seed_of_batch
from tests.distributed.digests import digest_of, train

SMALL = (
    *("dataset=sbm", "dataset.scale=0.002", "dataset.num_features=12", "dataset.num_classes=4"),
    *("model.hidden_channels=8", "trainer.epochs=2", "device=cpu", "seed=3"),
)
SAMPLERS = {  # several batches an epoch, of which the last step of 3 has fewer
    "neighbor": ("sampler=neighbor", "sampler.batch_size=45"),
    "cluster": ("sampler=cluster", "sampler.num_parts=14", "sampler.batch_size=2"),
    "saint_node": ("sampler=saint_node", "sampler.batch_size=60", "sampler.num_steps=7"),
    "saint_edge": ("sampler=saint_edge", "sampler.batch_size=40", "sampler.num_steps=7"),
    "saint_rw": ("sampler=saint_rw", "sampler.batch_size=30", "sampler.num_steps=7"),
    "full": ("sampler=full",),
}
ALONE = {  # one process can have steps of several batches of every sampler
    "gas": ("sampler=gas", "sampler.num_parts=14", "sampler.batch_size=2"),
    "neighbor_tree": ("sampler=neighbor_tree", "sampler.batch_size=45"),
}
MODELS = {
    "sage": ("model=sage", "model.dropout=0.3"),
    "gcn": ("model=gcn", "model.norm=batch"),
    "gat": ("model=gat", "model.heads=2"),
    "gin": ("model=gin",),
}
SOME = [["sage", "neighbor"], ["gcn", "cluster"], ["gat", "saint_rw"], ["gin", "full"]]


def overrides_of(model: str, sampler: str, data_dir: str, batches_per_step: int) -> list[str]:
    keys = f"trainer.batches_per_step={batches_per_step}", f"data_dir={data_dir}"
    return [*SMALL, *MODELS[model], *(SAMPLERS | ALONE)[sampler], *keys]


def weights_after(team: Team, pairs: list[list[str]], *arguments: Any) -> list[str]:
    """Train each pair of model and sampler, and return a digest of its weights and losses."""
    return [digest_after(team, overrides_of(*pair, *arguments)) for pair in pairs]


def digest_after(team: Team, overrides: list[str]) -> str:
    parts = Parts(compose_settings(overrides))
    training = train(parts, team)
    return digest_of(parts.model) + "".join(f" {row.train_loss}" for row in training.rows)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(("size", "batches_per_step", "pairs"), [(2, 2, SOME), (3, 5, SOME[:2])])
def test_processes_give_the_bits_of_one(in_team, data_dir, size, batches_per_step, pairs):
    alone = weights_after(Alone(), pairs, data_dir, batches_per_step)
    assert len(set(alone)) == len(pairs)
    assert in_team(size, weights_after, pairs, data_dir, batches_per_step) == [alone] * size


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("size", "batches_per_step"), [(2, 2), (2, 3), (2, 4), (3, 4), (4, 4)])
def test_processes_give_the_bits_of_one_with_every_sampler(
    in_team, data_dir, size, batches_per_step, model
):
    pairs = [[model, sampler] for sampler in SAMPLERS]
    alone = weights_after(Alone(), pairs, data_dir, batches_per_step)
    for result in in_team(size, weights_after, pairs, data_dir, batches_per_step):
        differs = [pair for pair, a, b in zip(pairs, result, alone, strict=True) if a != b]
        assert not differs


@pytest.mark.parametrize("sampler", ["neighbor", *ALONE])
def test_the_number_of_batches_in_a_step_changes_the_training(data_dir, sampler):
    pair = [["sage", sampler]]
    assert len({weights_after(Alone(), pair, data_dir, k)[0] for k in (1, 2, 3)}) == 3


def parts_of(pair: list[str], data_dir: str, batches_per_step: int) -> Parts:
    parts = Parts(compose_settings(overrides_of(*pair, data_dir, batches_per_step)))
    torch.manual_seed(0)
    parts.model.train()
    return parts


def step_of(parts: Parts) -> Step:
    cpu = torch.device("cpu")
    return Step(parts.model, parts.model, parts.optimizer, "fp32", cpu, None, None)


def test_the_gradient_of_a_step_is_the_mean_over_its_batches(data_dir):
    parts = parts_of(["gcn", "cluster"], data_dir, 3)
    batches, step = list(parts.sampler)[:3], step_of(parts)
    total = StepSum(parts.model, Deal(3, 3), Alone(), torch.device("cpu"))
    for number in total.begin(range(3)):
        torch.manual_seed(number)
        with total.forward(number):
            loss = step.loss(batches[number])
        loss.backward()
        total.add(number, loss.detach())
    result = total.finish(stop=False)
    gradients = [parameter.grad for parameter in parts.model.parameters()]
    parts.model.zero_grad()
    losses = []
    for number, batch in enumerate(batches):
        torch.manual_seed(number)
        losses.append(step.loss(batch))
    torch.stack(losses).mean().backward()
    assert torch.equal(result.losses, torch.stack(losses).detach())
    for parameter, gradient in zip(parts.model.parameters(), gradients, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=1e-6)


def test_an_epoch_without_a_step_left_is_drawn_all_the_same(data_dir):
    parts = parts_of(["gcn", "cluster"], data_dir, 3)
    sampler, position = parts.sampler, sampler_position(parts.sampler)
    num_batches = len(list(sampler))
    expected = sampler_position(sampler)
    set_sampler_position(sampler, position)
    cpu = torch.device("cpu")
    batches = batches_from(sampler, num_batches, every_batch)
    clock = EpochClock(batches, dict.fromkeys(SECONDS, 0.0), cpu, Alone())
    shared = SharedSteps(step_of(parts), Deal(num_batches, 3), Alone(), 0)
    assert list(shared.take(1, num_batches, clock)) == []
    assert torch.equal(sampler_position(sampler)[0], expected[0])


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_move_as_if_batches_came_one_after_another(momentum):
    torch.manual_seed(0)
    norm, batches = torch.nn.BatchNorm1d(3, momentum=momentum), torch.randn(7, 10, 3)
    ordinary = torch.nn.BatchNorm1d(3, momentum=momentum)
    total = StepSum(norm, deal := Deal(7, 3), Alone(), torch.device("cpu"))
    for step in deal.steps(0):
        for number in total.begin(step):
            with total.forward(number):
                loss = norm(batches[number]).square().sum()
            loss.backward()
            total.add(number, loss.detach())
        total.finish(stop=False)
    for batch in batches:
        ordinary(batch)
    torch.testing.assert_close(norm.state_dict(), ordinary.state_dict())


def test_a_parameter_without_a_gradient_stays_without_one():
    model = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    total = StepSum(model, Deal(2, 2), Alone(), torch.device("cpu"))
    for number in total.begin(range(2)):
        with total.forward(number):
            loss = model[number](torch.ones(1, 2)).sum() if number == 0 else model[0].bias.sum()
        loss.backward()
        total.add(number, loss.detach())
    total.finish(stop=False)
    assert model[0].weight.grad is not None
    assert model[1].weight.grad is None


def stops(team: Team) -> list[bool]:
    """Whether the step stops, if nobody asks for it and if only the last process does."""
    model = torch.nn.Linear(1, 1)
    total = StepSum(model, Deal(1, 2, team.rank, team.size), team, torch.device("cpu"))
    answers = []
    for asks in (False, team.rank == team.size - 1):
        for number in total.begin(range(1)):
            with total.forward(number):
                pass
            total.add(number, torch.tensor(1.0))
        answers.append(total.finish(stop=asks).is_stopped)
    return answers


def test_a_request_to_one_process_stops_all_even_one_without_a_batch(in_team):
    assert in_team(2, stops) == [[False, True]] * 2


def test_what_a_batch_draws_depends_on_seed_epoch_and_place():
    seeds = {seed_of_batch(s, e, n) for s in range(3) for e in range(3) for n in range(3)}
    assert len(seeds) == 27
    assert all(0 <= seed < 2**63 for seed in seeds)
