"""The step that CUDA captures, as far as a CPU can tell: it reads no value, and is the eager one.

Tensors on the device `meta` have shapes and no values: whatever reads a value, or makes a tensor
whose size depends on one, fails there. On CUDA the same would wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.errors import ConfigError
from redditgnn.graph.batch import Batch
from redditgnn.graph.data import GraphData
from redditgnn.graph.placement import PlacedGraph
from redditgnn.metric.classification import per_node_loss
from redditgnn.sampler import full
from redditgnn.sampler.base import StaticSampler
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor_tree import TreeSampler
from redditgnn.trainer.cuda_graph import StaticStep, TakeStep, captured_training, make_capturable

CPU, META = torch.device("cpu"), torch.device("meta")
STATIC = {
    "mlp": "model=mlp",
    "sage mean": "model=sage",
    "sage max": "model=sage model.aggr=max",
    "sage gcn": "model=sage model.aggr=gcn",
    "sage, all extras": "model=sage model.jk=cat model.norm=batch model.residual=true",
    "gat": "model=gat model.heads=2 model.attention_dropout=0.5",
    "gatv2": "model=gatv2 model.heads=2 model.attention_dropout=0.5",
    "gcn": "model=gcn",
    "pyg GraphConv": "model=pyg",
}


def model_of(overrides: str, graph: GraphData) -> nn.Module:
    torch.manual_seed(0)
    narrow = ["model.hidden_channels=8", "model.num_layers=2", "model.dropout=0.5"]
    settings = compose_settings([*overrides.split()[:1], *narrow, *overrides.split()[1:]])
    return settings.build("model", graph.spec).train()


def sampler_of(graph: GraphData) -> TreeSampler:
    return TreeSampler(
        graph,
        num_layers=2,
        device=CPU,
        seed=0,
        num_neighbors=[3, 2],
        batch_size=5,
        feature_tier="auto",
        cuda_graph="auto",
    )


def steps_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> TakeStep:
    def take_step(batch: Batch) -> Tensor:
        loss = (batch.loss_weight * per_node_loss(model(batch), batch.y)).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return take_step


def without_values(sampler: TreeSampler) -> TreeSampler:
    """Take the values out of everything that the sampler holds."""
    graph = sampler._placed.graph.to(META)
    sampler._placed = PlacedGraph(graph, graph.x)
    sampler._build_csr(META)
    return sampler


def step_without_values(overrides: str, graph: GraphData) -> StaticStep:
    model = model_of(overrides, graph).to(META)
    sampler = without_values(sampler_of(graph))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return StaticStep(sampler, steps_of(model, optimizer), *(rows[0] for rows in sampler.epoch()))


@pytest.mark.parametrize("overrides", STATIC.values(), ids=STATIC.keys())
def test_a_step_reads_no_value_and_so_can_be_captured(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    step = step_without_values(overrides, make_graph(num_nodes=40, num_edges=160))
    step()
    step()
    assert step.loss.shape == ()


def test_a_step_that_reads_values_is_noticed(make_graph: Callable[..., GraphData]) -> None:
    step = step_without_values("model=sage model.aggr=lstm", make_graph(num_edges=60))
    with pytest.raises((RuntimeError, NotImplementedError)):
        step()


def test_static_steps_are_the_steps_over_the_samplers_batches(
    make_graph: Callable[..., GraphData],
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    eager = model_of("model=sage", graph)
    static = deepcopy(eager)
    take_step = steps_of(eager, torch.optim.Adam(eager.parameters()))
    torch.manual_seed(1)
    expected = [take_step(batch) for batch in sampler_of(graph)]
    torch.manual_seed(1)
    take_step = steps_of(static, torch.optim.Adam(static.parameters()))
    losses = run_statically(sampler_of(graph), take_step)
    assert torch.equal(torch.stack(losses), torch.stack(expected))


def run_statically(sampler: TreeSampler, take_step: TakeStep) -> list[Tensor]:
    targets, loss_weight = sampler.epoch()
    step = StaticStep(sampler, take_step, targets[0], loss_weight[0])
    losses = []
    for step_targets, step_weight in zip(targets, loss_weight, strict=True):
        step.targets.copy_(step_targets)
        step.loss_weight.copy_(step_weight)
        step()
        losses.append(step.loss.clone())
    return losses


def test_the_tree_sampler_is_a_static_one(make_graph: Callable[..., GraphData]) -> None:
    sampler = sampler_of(make_graph())
    assert isinstance(sampler, StaticSampler)
    assert sampler.cuda_graph is False, "there is nothing to capture on a CPU"
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    assert captured_training(sampler, steps_of(model, optimizer), optimizer, CPU) is None
    assert not isinstance(optimizer.param_groups[0]["lr"], Tensor), "an eager one is left alone"


@pytest.mark.parametrize("name", ["constant", "cosine", "plateau", "step"])
def test_schedulers_change_a_learning_rate_on_the_device_in_place(name: str) -> None:
    weights = [nn.Parameter(torch.ones(2))]
    by_number, by_tensor = (torch.optim.SGD(weights, lr=0.1) for _ in range(2))
    rate = {
        "constant": [],
        "cosine": [],
        "plateau": ["scheduler.patience=0"],
        "step": ["scheduler.step_size=1"],
    }[name]
    settings = compose_settings([f"scheduler={name}", *rate])
    schedulers = [settings.build("scheduler", each) for each in (by_number, by_tensor)]
    make_capturable(by_tensor, CPU)
    address = by_tensor.param_groups[0]["lr"].data_ptr()
    for _ in range(4):
        for optimizer, scheduler in zip((by_number, by_tensor), schedulers, strict=True):
            optimizer.step()
            scheduler.step(*([1.0] if name == "plateau" else []))
        number, tensor = (each.param_groups[0]["lr"] for each in (by_number, by_tensor))
        assert tensor.data_ptr() == address
        assert float(tensor) == pytest.approx(number)


def test_adam_counts_its_steps_on_the_device() -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(2))])
    make_capturable(optimizer, CPU)
    assert optimizer.param_groups[0]["capturable"] is True


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_reads_its_rate_from_a_tensor_and_does_what_it_did(momentum: float) -> None:
    def trained(prepare: Callable[[torch.optim.Optimizer], None]) -> Tensor:
        weight = nn.Parameter(torch.linspace(-1, 1, 5))
        optimizer = torch.optim.SGD([weight], lr=0.1, momentum=momentum, weight_decay=0.01)
        prepare(optimizer)
        for _ in range(3):
            optimizer.zero_grad()
            weight.pow(2).sum().backward()
            optimizer.step()
        return weight.detach()

    fused = trained(lambda optimizer: make_capturable(optimizer, CPU))
    torch.testing.assert_close(fused, trained(lambda optimizer: None))


class RecordedGraph:
    """Stands in for CUDA: notes what happens to it."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def register_generator_state(self, generator: torch.Generator) -> None:
        assert isinstance(generator, torch.Generator)
        self.log.append("generator")

    def replay(self) -> None:
        self.log.append("replay")

    def reset(self) -> None:
        self.log.append("reset")


def fake_cuda(monkeypatch: pytest.MonkeyPatch, log: list[str]) -> None:
    @contextmanager
    def capture(graph: RecordedGraph, stream: object = None) -> Iterator[None]:
        log.append("capture")
        yield
        log.append("captured")

    stream = SimpleNamespace(wait_stream=lambda other: None, device=CPU)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: RecordedGraph(log))
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: "default")
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", log.append)


def test_three_steps_are_taken_one_is_captured_and_the_rest_are_replays(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    fake_cuda(monkeypatch, log)
    sampler = sampler_of(make_graph(num_nodes=40, num_edges=160))
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)

    def take_step(batch: Batch) -> Tensor:
        log.append("step")
        return batch.loss_weight.sum()

    sampler.cuda_graph = True
    training = captured_training(sampler, take_step, optimizer, CPU)
    assert training is not None
    bar: list[int] = []
    losses = [training.run_epoch(lambda: bar.append(1)) for _ in range(2)]
    assert len(sampler) == 3
    watched = ["error", "step", "default"]  # the last eager step may not wait for the device
    assert log == (
        ["step"] * 2 + watched + ["generator", "capture", "step", "captured"] + ["replay"] * 3
    )
    assert [len(each) for each in losses] == [3, 3]
    assert len(bar) == 6


@pytest.mark.parametrize("at", ["error", "capture"], ids=["waiting", "captured"])
@pytest.mark.parametrize(
    ("error", "expected", "message"),
    [
        (RuntimeError("not permitted\nmore"), ConfigError, r"captured in a CUDA graph \(not perm"),
        (torch.OutOfMemoryError("none left"), torch.OutOfMemoryError, "none left"),
    ],
)
def test_what_cannot_be_captured_is_refused_in_one_line(
    error: Exception,
    expected: type[Exception],
    message: str,
    at: str,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log: list[str] = []
    fake_cuda(monkeypatch, log)
    sampler = sampler_of(make_graph(num_nodes=40, num_edges=160))
    sampler.cuda_graph = True

    def take_step(batch: Batch) -> Tensor:
        if at in log:
            raise error
        return batch.loss_weight.sum()

    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    training = captured_training(sampler, take_step, optimizer, CPU)
    assert training is not None

    def train() -> None:
        for _ in range(2):
            training.run_epoch(lambda: None)

    with pytest.raises(expected, match=message) as caught:
        train()
    assert "\n" not in str(caught.value)
    if at == "capture":  # the generators need one that ends well
        assert log[-4:] == ["reset", "generator", "capture", "captured"]
    else:
        assert log[-1] == "default"


@pytest.mark.parametrize("at", ["error", "capture"], ids=["waiting", "captured"])
def test_what_cannot_be_captured_is_taken_eagerly_where_the_sampler_leaves_the_choice(
    at: str,
    make_graph: Callable[..., GraphData],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    fake_cuda(monkeypatch, log)
    sampler = sampler_of(make_graph(num_nodes=40, num_edges=160))
    sampler.cuda_graph = "auto"

    def take_step(batch: Batch) -> Tensor:
        if log and log[-1] == at:
            raise RuntimeError("not permitted")
        log.append("step")
        return batch.loss_weight.sum()

    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    training = captured_training(sampler, take_step, optimizer, CPU)
    assert training is not None
    for _ in range(2):
        training.run_epoch(lambda: None)
    assert log.count("step") == 2 * len(sampler) == 6
    assert "replay" not in log
    assert caplog.text.count("cannot be captured") == 1


def test_the_whole_graph_is_captured_where_launches_take_longer_than_the_work(
    make_graph: Callable[..., GraphData], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    build = partial(FullSampler, graph, num_layers=2, seed=0)
    assert build(device=CPU, cuda_graph="auto").cuda_graph is False
    with pytest.raises(ConfigError, match="cuda_graph=true needs device=cuda; use .*=auto$"):
        build(device=CPU, cuda_graph=True)
    monkeypatch.setattr(GraphData, "to", lambda graph, device: graph)
    monkeypatch.setattr(torch, "arange", lambda *args, device=None: torch.zeros(args[0]).long())
    cuda = torch.device("cuda:0")
    assert build(device=cuda, cuda_graph="auto").cuda_graph == "auto"
    monkeypatch.setattr(full, "FEW_EDGES", graph.num_edges - 1)
    assert build(device=cuda, cuda_graph="auto").cuda_graph is False
    assert build(device=cuda, cuda_graph=True).cuda_graph is True


def test_steps_over_the_whole_graph_are_static(make_graph: Callable[..., GraphData]) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    sampler = FullSampler(graph, num_layers=2, device=CPU, seed=0, cuda_graph="auto")
    assert isinstance(sampler, StaticSampler)
    ((targets, loss_weight),) = zip(*sampler.epoch(), strict=True)
    (batch,) = sampler
    assert sampler.draw(targets, loss_weight) is batch
    assert torch.equal(targets, batch.node_ids)
    assert torch.equal(loss_weight, batch.loss_weight)
