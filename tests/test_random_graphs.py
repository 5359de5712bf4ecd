"""Any small graph will do, for every model under every sampler: no crash, no NaN, right shapes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from unittest import mock

import pytest
import torch
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from torch import nn

from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.dataset.edges import sort_edges
from redditgnn.errors import ConfigError
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph.csr import pointers
from redditgnn.graph.data import GraphData
from redditgnn.graph.fingerprint import Fingerprint
from redditgnn.metric.classification import per_node_loss
from redditgnn.run import execution as run
from redditgnn.sampler.full import FullSampler

CPU = torch.device("cpu")
MODELS = (
    *("model=mlp", "model=sage", "model=sage model.aggr=max", "model=sage model.aggr=lstm"),
    *("model=sage model.aggr=gcn", "model=sage model.jk=cat model.norm=batch model.residual=true"),
    *("model=gat model.heads=2", "model=gat model.heads=2 model.jk=lstm model.norm=layer"),
    *("model=gatv2 model.heads=2", "model=gcn", "model=gcn2 model.norm=batch", "model=appnp"),
    *("model=dagnn", "model=cheb"),
    *("model=sgc", "model=sign", "model=gin", "model=gin model.train_eps=true", "model=pna"),
    *("model=pna model.towers=2 model.residual=true", "model=pyg"),
    "model=pyg model.conv._target_=torch_geometric.nn.TransformerConv",
)
SAMPLERS = (
    *("sampler=full", "sampler=neighbor", "sampler=neighbor_tree", "sampler=saint_node"),
    *("sampler=saint_edge", "sampler=saint_rw", "sampler=cluster", "sampler=gas"),
    "sampler=gas sampler.partition=random",
)
QUICK = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@st.composite
def graphs(draw: st.DrawFn, min_nodes: int = 1) -> GraphData:
    """Draw nodes without edges, repeated edges, self-loops, one class, labels, any split."""
    num_nodes = draw(st.integers(min_nodes, 60))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    num_edges = draw(st.integers(0, 5) | st.integers(0, 300))
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator).numpy()
    edges = sort_edges("drawn", edge_index, num_nodes)
    num_classes, num_features = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    y = torch.randint(num_classes, (num_nodes,), generator=generator)
    if draw(st.booleans()):
        y = torch.rand(num_nodes, num_classes, generator=generator).round()
    x = torch.randn(num_nodes, num_features, generator=generator)
    part = torch.randint(draw(st.integers(3, 4)), (num_nodes,), generator=generator)
    part[:3] = torch.arange(min(3, num_nodes))  # 3 is in no split
    return GraphData(
        name="drawn",
        x=x * draw(st.sampled_from([0.0, 1.0, 100.0])),
        rowptr=torch.from_numpy(edges.rowptr),
        col=torch.from_numpy(edges.col),
        y=y,
        num_classes=num_classes,
        train_mask=part == 0,
        val_mask=part == 1,
        test_mask=part == 2,
        fingerprint=Fingerprint(f"drawn-{num_nodes}"),
    )


def chosen(model: str, sampler: str) -> Settings:
    """Put the composed settings of both together: they are far fewer than the pairs."""
    of_model, of_sampler = composed(model), composed(sampler)
    own = {"sampler": of_sampler.components["sampler"]}
    choices = {"sampler": of_sampler.choices["sampler"]}
    return replace(
        of_model, components=of_model.components | own, choices=of_model.choices | choices
    )


@cache
def composed(model: str) -> Settings:
    """Compose the settings of a small model, or of a sampler."""
    overrides = [*model.split(), "trainer.epochs=1", "device=cpu"]
    if not model.startswith("model=sgc"):
        overrides.insert(1, "model.hidden_channels=4")
    if not model.startswith(("model=sgc", "model=sign")):
        overrides.insert(1, "model.num_layers=2")
    return compose_settings(overrides)


def sizes(sampler: str, num_nodes: int, num_layers: int) -> dict[str, object]:
    """Keys of the sampler that fit a graph of this size."""
    if "neighbor" in sampler:
        return {"num_neighbors": [3, 2][:num_layers], "batch_size": 7}
    if "saint" in sampler:
        return {"batch_size": 9, "num_steps": 2, "sample_coverage": 3}
    if "full" in sampler:
        return {}
    return {"num_parts": min(num_nodes, 4), "batch_size": min(num_nodes, 2)}


def draws_training_nodes(sampler: str, graph: GraphData) -> bool:
    """Whether GraphSAINT draws a training node. Node and edge samplers need edges of them."""
    has_edge_out = torch.bincount(graph.col, minlength=graph.num_nodes) > 0
    drawable = {
        "sampler=saint_node": has_edge_out,
        "sampler=saint_edge": has_edge_out | (graph.degree > 0),
        "sampler=saint_rw": torch.ones(graph.num_nodes, dtype=torch.bool),
    }
    return graph.num_edges > 0 and bool((graph.train_mask & drawable[sampler]).any())


def hold(model_name: str, sampler_name: str, graph: GraphData) -> None:
    """Train for an epoch of steps, then compare exact inference with one forward pass."""
    settings = chosen(model_name, sampler_name)
    torch.manual_seed(0)
    model: nn.Module = settings.build("model", graph.spec)
    graph = precomputed(model, graph, CPU)
    fitting = sizes(sampler_name, graph.num_nodes, model.num_layers)
    facts = {"num_layers": model.num_layers, "device": CPU, "seed": 0}
    if "saint" in sampler_name and not draws_training_nodes(sampler_name, graph):
        with pytest.raises(ConfigError, match="needs edges|never draws them"):
            settings.build("sampler", graph, **facts, **fitting)
        return
    sampler = settings.build("sampler", graph, **facts, **fitting)
    assume(not (model.whole_graph_only and sampler.has_halo))
    optimizer = settings.build("optimizer", model)
    for batch in sampler:
        logits = model.train()(batch)
        assert logits.shape == (batch.num_targets, graph.num_classes)
        loss = (batch.loss_weight * per_node_loss(logits, batch.y)).sum()
        assert loss.isfinite()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
    whole = FullSampler(graph, **facts, cuda_graph=False)
    with torch.no_grad():
        expected = model.eval()(next(iter(whole)))
    assert expected.shape == (graph.num_nodes, graph.num_classes)
    assert expected.isfinite().all()
    for chunk_edges in (None, 5):
        exact = ExactInference(graph, CPU, chunk_edges=chunk_edges)(model)
        torch.testing.assert_close(exact, expected, rtol=1e-4, atol=1e-4)


every_model = pytest.mark.parametrize(
    "model", MODELS, ids=lambda text: text.replace(" model.", ",")
)


@pytest.mark.parametrize("sampler", ["sampler=saint_node", "sampler=saint_edge"])
def test_graphsaint_refuses_a_graph_none_of_whose_training_nodes_it_draws(sampler, make_graph):
    graph = make_graph(num_nodes=20, num_edges=60)
    alone, row = torch.arange(20) == 7, torch.arange(20).repeat_interleave(graph.degree)
    edges = (graph.col != 7) & (row != 7)
    rowptr = pointers(torch.bincount(row[edges], minlength=20))
    lonely = replace(graph, rowptr=rowptr, col=graph.col[edges], train_mask=alone)
    assert draws_training_nodes("sampler=saint_rw", lonely)
    assert not draws_training_nodes(sampler, lonely)
    hold("model=gcn", sampler, lonely)


@every_model
@budget(max_examples=2, derandomize=True, **QUICK)
@given(graph=graphs(), sampler=st.sampled_from(SAMPLERS))
def test_a_model_takes_any_graph(model: str, sampler: str, graph: GraphData) -> None:
    hold(model, sampler, graph)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda text: text.removeprefix("sampler="))
@budget(max_examples=20, **QUICK)
@given(graph=graphs())
def test_under_every_sampler_it_takes_many(model: str, sampler: str, graph: GraphData) -> None:
    hold(model, sampler, graph)


@budget(max_examples=12, derandomize=True, **QUICK)
@given(
    graph=graphs(min_nodes=3),
    model=st.sampled_from(MODELS),
    sampler=st.sampled_from(["sampler=full", "sampler=gas", "sampler=cluster"]),
    protocol=st.sampled_from(["transductive", "inductive"]),
)
def test_a_run_on_any_graph_completes(
    graph: GraphData, model: str, sampler: str, protocol: str
) -> None:
    settings, build = chosen(model, sampler), Settings.build

    def built(self: Settings, group: str, *args: object, **facts: object) -> object:
        if group == "dataset":
            return graph
        if group == "sampler":
            facts |= sizes(sampler, args[0].num_nodes, 2)
        return build(self, group, *args, **facts)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(Settings, "build", built):
        keys = {"results_dir": folder, "protocol": protocol}
        row, _ = run.run(replace(settings, **keys))
    assert row.status == "completed"
    assert 0 <= row.test["micro_f1"] <= 1
    assert row.train_loss >= 0
