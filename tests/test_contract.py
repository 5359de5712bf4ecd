"""What holds for every model under every sampler. A new component is one line in a table here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from redditgnn.config.compose import compose_settings
from redditgnn.evaluation.exact import ExactInference, precomputed
from redditgnn.graph.batch import Batch
from redditgnn.graph.csr import gather_rows, pointers
from redditgnn.graph.data import GraphData, GraphSpec
from redditgnn.sampler.full import FullSampler
from redditgnn.sampler.neighbor import sampled_batch
from redditgnn.sampler.neighbor_numba import NumbaNeighborhoods
from redditgnn.sampler.neighbor_torch import TorchNeighborhoods
from tests.samplers import SAMPLERS

pytestmark = pytest.mark.every_python

CPU = torch.device("cpu")

MODELS = {
    "mlp": "model=mlp",
    "linear": "model=linear model.dropout=0.2",
    "label_propagation": "model=label_propagation model.num_steps=3",
    "sage mean": "model=sage",
    "sage max": "model=sage model.aggr=max",
    "sage lstm": "model=sage model.aggr=lstm",
    "sage gcn": "model=sage model.aggr=gcn",
    "sage, all extras": "model=sage model.jk=cat model.norm=batch model.residual=true",
    "gat": "model=gat model.heads=2",
    "gat, two output heads": "model=gat model.heads=4 model.out_heads=2 model.norm=layer",
    "gatv2": "model=gatv2 model.heads=2",
    "gatv2, jk": "model=gatv2 model.heads=2 model.jk=max",
    "gcn": "model=gcn",
    "gcn, three layers and jk": "model=gcn model.num_layers=3 model.jk=lstm",
    "gcn, linear skips and head": "model=gcn model.residual=linear model.jk=last",
    "gcn_gas": "model=gcn_gas",
    "gcn2": "model=gcn2",
    "gcn2, all extras": (
        "model=gcn2 model.num_layers=3 model.shared_weights=false model.norm=batch"
        " model.residual=true"
    ),
    "appnp": "model=appnp",
    "appnp, four steps": "model=appnp model.num_layers=4",
    "dagnn": "model=dagnn",
    "cheb": "model=cheb",
    "cheb, second order": "model=cheb model.num_layers=4 model.order=2",
    "sgc": "model=sgc",
    "sign": "model=sign",
    "gin": "model=gin",
    "gin, all extras": "model=gin model.train_eps=true model.norm=layer model.residual=true",
    "pna": "model=pna",
    "pna, GNNAutoScale's": (
        "model=pna model.aggregators=[mean,max] model.scalers=[identity,amplification]"
        " model.towers=2 model.residual=true model.jk=cat"
    ),
    "pyg GraphConv": "model=pyg",
    "pyg Transformer": "model=pyg model.conv._target_=torch_geometric.nn.TransformerConv",
}
STEPPING = ["mlp", "linear", "sage mean", "gat", "gatv2", "gcn", "gcn2", "appnp", "sgc", "sign"]
STEPPING += ["gin", "pna", "pyg GraphConv", "dagnn", "cheb"]
BOTH = ["model.hidden_channels=8", "model.num_layers=2"]
NARROW = {
    "model=sgc": [],
    "model=linear": [],
    "model=label_propagation": [],
    "model=sign": BOTH[:1],
}  # whose layers read no edges
REPEAT_NODES = {"neighbor_tree"}  # a node found twice is there twice
every_model = pytest.mark.parametrize("overrides", MODELS.values(), ids=MODELS.keys())
every_sampler = pytest.mark.parametrize("name", SAMPLERS)


@cache
def settings(overrides: str):
    first, *others = overrides.split()
    return compose_settings([first, *NARROW.get(first, BOTH), *others])


def build_model(overrides: str, spec: GraphSpec) -> nn.Module:
    torch.manual_seed(0)
    model = settings(overrides).build("model", spec).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d):  # as after training: not the identity
            nn.init.uniform_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return model


def build_sampler(name: str, graph: GraphData, num_layers: int = 2):
    chosen = settings(SAMPLERS[name])
    return chosen.build("sampler", graph, num_layers=num_layers, device=CPU, seed=0)


def full_batch(graph: GraphData, num_layers: int) -> Batch:
    return next(
        iter(FullSampler(graph, num_layers=num_layers, device=CPU, seed=0, cuda_graph=False))
    )


@torch.no_grad()
def full_logits(model: nn.Module, graph: GraphData) -> Tensor:
    return model(full_batch(precomputed(model, graph, CPU), model.num_layers))


@pytest.mark.parametrize("sampling", [NumbaNeighborhoods, TorchNeighborhoods])
@every_model
def test_complete_neighborhoods_give_the_logits_of_the_full_graph(
    overrides: str, sampling: Callable, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    model = build_model(overrides, graph.spec)
    expected = full_logits(model, graph)
    graph = precomputed(model, graph, CPU)
    targets = torch.tensor([3, 39, 0, 17])
    everything = [-1] * model.num_layers
    found = sampling(graph.rowptr, graph.col).sample(targets, everything, key=1)
    batch = sampled_batch(
        graph, *found, num_targets=4, num_layers=model.num_layers, loss_weight=0.25
    )
    with torch.no_grad():
        torch.testing.assert_close(model(batch), expected[targets])


@every_model
def test_inference_in_chunks_equals_the_full_forward(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    model = build_model(overrides, graph.spec)
    expected = full_logits(model, graph)
    for chunk_edges in (1, 25, None):
        prepared = precomputed(model, graph, CPU, chunk_edges)
        logits = ExactInference(prepared, CPU, chunk_edges=chunk_edges)(model)
        torch.testing.assert_close(logits, expected)


@every_model
def test_histories_become_exact_while_weights_are_frozen(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    model = build_model(overrides, graph.spec)
    chosen = settings("sampler=gas sampler.num_parts=5 sampler.batch_size=1")
    expected, read = full_logits(model, graph), precomputed(model, graph, CPU)
    sampler = chosen.build("sampler", read, num_layers=model.num_layers, device=CPU, seed=0)
    logits = torch.empty(graph.num_nodes, graph.num_classes)
    with torch.no_grad():
        for epoch in range(model.num_layers + 1):
            for batch in sampler:
                logits[batch.node_ids[: batch.num_targets]] = model(batch)
            if epoch == 0:  # whatever was stored must be overwritten in time
                for history in sampler.histories.states.values():
                    history.fill_(torch.nan)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize(
    "overrides",
    [text for name, text in MODELS.items() if name != "sage lstm"],  # reads edges in their order
    ids=[name for name in MODELS if name != "sage lstm"],
)
def test_relabelled_nodes_have_relabelled_logits(
    overrides: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    model = build_model(overrides, graph.spec)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    relabelled = relabel(graph, order)
    torch.testing.assert_close(full_logits(model, relabelled), full_logits(model, graph)[order])


def relabel(graph: GraphData, order: Tensor) -> GraphData:
    """Node i of the result is node `order[i]` of `graph`."""
    rows, col = gather_rows(graph.rowptr, graph.col, order)
    counts = torch.bincount(rows, minlength=graph.num_nodes)
    new_id = order.argsort().to(torch.int32)
    own = {key: getattr(graph, key)[order] for key in ("x", "y", "train_mask")}
    return replace(graph, rowptr=pointers(counts), col=new_id[col], **own)


@every_sampler
def test_a_batch_is_made_of_the_graphs_own_nodes_and_edges(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    rows, cols = gather_rows(graph.rowptr, graph.col, torch.arange(40))
    edges = set(zip(cols.tolist(), rows.tolist(), strict=True))
    for batch in build_sampler(name, graph):
        assert torch.equal(batch.x, graph.x[batch.node_ids])
        assert torch.equal(batch.y, graph.y[batch.node_ids[: batch.num_targets]])
        if name not in REPEAT_NODES:
            assert len(batch.node_ids.unique()) == len(batch.node_ids)
        block, ids = batch.block(0), batch.node_ids
        edge_index = block.edge_index
        if block.edge_scale is not None:
            edge_index = edge_index[:, block.edge_scale > 0]
        source, destination = (ids[ends].tolist() for ends in edge_index)
        assert set(zip(source, destination, strict=True)) <= edges


@pytest.mark.parametrize("name", ["full", "neighbor", "neighbor_tree", "cluster", "gas"])
def test_an_epoch_weighs_each_training_node_equally(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    sampler = build_sampler(name, graph)
    weight = torch.zeros(40)
    for batch in sampler:
        weight.index_add_(0, batch.node_ids[: batch.num_targets], batch.loss_weight)
    expected = graph.train_mask / graph.train_mask.sum()
    torch.testing.assert_close(weight / len(sampler), expected)


@every_sampler
def test_the_same_seed_gives_the_same_batches(
    name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    first, second = build_sampler(name, graph), build_sampler(name, graph)
    torch.manual_seed(9)  # the global generator must not matter
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.node_ids, other.node_ids)
        assert torch.equal(one.col, other.col)
        assert torch.equal(one.loss_weight, other.loss_weight)


@every_sampler
@pytest.mark.parametrize("model_name", STEPPING)
def test_every_model_takes_a_step_under_every_sampler(
    name: str, model_name: str, make_graph: Callable[..., GraphData]
) -> None:
    graph = make_graph(num_nodes=40, num_edges=160)
    model = build_model(MODELS[model_name], graph.spec).train()
    for batch in islice(build_sampler(name, precomputed(model, graph, CPU)), 3):
        logits = model(batch)
        assert logits.shape == (batch.num_targets, graph.num_classes)
        loss = nn.functional.cross_entropy(logits, batch.y, reduction="none")
        (batch.loss_weight * loss).sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
