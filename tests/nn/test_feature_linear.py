"""Sparse features: the numbers of dense ones, and no dense matrix on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redditgnn.config.compose import compose_settings
from redditgnn.config.settings import Settings
from redditgnn.evaluation.exact import ExactInference
from redditgnn.graph import features, sparse_features
from redditgnn.graph.data import GraphData
from redditgnn.graph.features import Rows
from redditgnn.graph.sparse_features import SparseFeatures
from redditgnn.nn.feature_linear import feature_dropout, feature_linear

CPU = torch.device("cpu")
NUM_ROWS, WIDTH = 200, 80
PICKED = torch.tensor([7, 3, 3, 199, 0])
MODELS = {
    "gcn": "model=gcn",
    "gcn, wider than the features": "model=gcn model.hidden_channels=200",
    "sage": "model=sage",
    "sage, same width, residual": "model=sage model.hidden_channels=80 model.residual=true",
    "gat": "model=gat model.attention_dropout=0.0",
    "gat, residual": "model=gat model.attention_dropout=0.0 model.residual=true",
    "gatv2": "model=gatv2 model.attention_dropout=0.0",
    "mlp": "model=mlp",
    "gcn2": "model=gcn2",
    "appnp": "model=appnp",
    "pyg": "model=pyg",
}
SAMPLERS = {
    "full": "sampler=full",
    "neighbor": "sampler=neighbor sampler.num_neighbors=[2,2] sampler.batch_size=20",
}
READERS = ["gcn", "sage", "gat, residual", "gatv2", "mlp", "gcn2", "appnp"]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def mostly_zeros() -> Tensor:
    """Return a table with 5 % non-zeros, and rows and columns of zeros alone."""
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(NUM_ROWS, WIDTH, generator=generator)
    table *= torch.rand(NUM_ROWS, WIDTH, generator=generator) < 0.05
    table[3], table[:, 5] = 0.0, 0.0
    return table


@pytest.mark.parametrize("node_ids", [None, PICKED], ids=["all", "picked"])
@pytest.mark.parametrize("p", [0.0, 0.6])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.every_python
def test_values_and_gradients_are_those_of_the_dense_product(
    node_ids: Tensor | None, p: float, biased: bool
) -> None:
    rows = feature_dropout(Rows(mostly_zeros(), node_ids), p, training=True)
    assert rows.sparse is not None
    weight = torch.randn(7, WIDTH, requires_grad=True)
    bias = torch.randn(7, requires_grad=True) if biased else None
    out = feature_linear(rows, weight, bias)
    grad = torch.randn_like(out)
    out.backward(grad)
    dense = rows.dense.double()  # with the same elements dropped
    expected = dense @ weight.detach().double().t() + (bias.detach() if biased else 0)
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        weight.grad.double(), grad.double().t() @ dense, rtol=1e-5, atol=1e-5
    )
    if biased:
        torch.testing.assert_close(bias.grad, grad.sum(0))


@pytest.mark.parametrize("node_ids", [None, PICKED], ids=["all", "picked"])
def test_sparse_rows_are_the_dense_rows(node_ids: Tensor | None) -> None:
    table = mostly_zeros()
    sparse = Rows(table, node_ids).sparse
    expected = table if node_ids is None else table[node_ids]
    assert sparse.shape == expected.shape
    assert torch.equal(sparse.gather(), expected)
    assert torch.equal(sparse.gather(torch.tensor([4, 0])), expected[[4, 0]])
    assert len(sparse.values) == expected.count_nonzero()


def test_rows_without_any_feature_give_the_bias() -> None:
    rows, bias = Rows(torch.zeros(4, 3)), torch.tensor([1.0, 2.0])
    weight = torch.ones(2, 3, requires_grad=True)
    out = feature_linear(rows, weight, bias)
    out.sum().backward()
    assert torch.equal(out, bias.expand(4, 2))
    assert torch.equal(weight.grad, torch.zeros(2, 3))


def test_dropout_keeps_a_share_of_the_non_zeros_and_scales_it() -> None:
    table = torch.zeros(1000, 100)
    table[:, ::10] = torch.rand(1000, 10) + 1
    dropped = feature_dropout(Rows(table), 0.75, training=True).dense
    kept = dropped != 0
    assert not kept[table == 0].any()
    assert 0.23 < kept.sum() / 10_000 < 0.27
    torch.testing.assert_close(dropped[kept], 4 * table[kept])


def test_a_slice_of_dropped_rows_lacks_the_same_elements() -> None:
    dropped = feature_dropout(Rows(mostly_zeros()), 0.5, training=True)
    assert torch.equal(dropped[:50].dense, dropped.dense[:50])
    assert torch.equal(dropped[:50].sparse.gather(), dropped.dense[:50])


def test_nothing_is_dropped_in_evaluation() -> None:
    rows = Rows(mostly_zeros())
    assert feature_dropout(rows, 0.5, training=False) is rows
    assert feature_dropout(rows, 0.0, training=True) is rows


def test_non_zeros_are_collected_once_a_table() -> None:
    table = mostly_zeros()
    assert Rows(table).sparse is Rows(table).sparse
    assert Rows(table).sparse.csr.transpose is Rows(table).sparse.csr.transpose


@pytest.mark.parametrize(
    "table",
    [torch.ones(8, 4), mostly_zeros().half(), mostly_zeros().to("meta"), mostly_zeros().double()],
    ids=["dense", "half", "on a device", "double"],
)
def test_other_tables_take_the_dense_path(table: Tensor) -> None:
    assert Rows(table).sparse is None


def test_a_table_is_dense_from_an_eighth_of_non_zeros_on() -> None:
    table = torch.zeros(64, 16)
    table[:, :2] = 1.0
    assert Rows(table.clone()).sparse is not None
    table[0, 2] = 1.0
    assert Rows(table).sparse is None


def test_some_rows_are_read_densely_from_a_sixteenth_of_non_zeros_on() -> None:
    table = torch.zeros(64, 16)
    table[:, 0] = 1.0
    assert Rows(table.clone(), PICKED % 64).sparse is not None
    table[0, 1] = 1.0
    assert Rows(table, PICKED % 64).sparse is None


def test_rows_are_picked_alike_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = Rows(mostly_zeros(), PICKED).sparse
    monkeypatch.setattr(sparse_features, "numba_works", lambda: False)
    slow = Rows(mostly_zeros(), PICKED).sparse
    assert torch.equal(fast.csr.rowptr, slow.csr.rowptr)
    assert torch.equal(fast.csr.col, slow.csr.col)
    assert torch.equal(fast.values, slow.values)


def test_a_dense_table_is_not_read_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SparseFeatures, "from_dense", None)
    assert Rows(torch.ones(5000, 4)).sparse is None


@pytest.fixture
def graph(make_graph: Callable[..., GraphData]) -> GraphData:
    graph = make_graph(num_nodes=NUM_ROWS, num_edges=800, num_features=WIDTH)
    return replace(graph, x=mostly_zeros())


def logits_and_gradients(graph: GraphData, settings: Settings) -> list[Tensor]:
    """Train on a batch and infer, whole and in chunks; return all that comes of it."""
    torch.manual_seed(0)
    net = settings.build("model", graph.spec).train()
    num_layers = net.num_layers
    sampler = settings.build("sampler", graph, num_layers=num_layers, device=CPU, seed=0)
    logits = net(next(iter(sampler)))
    logits.square().sum().backward()
    net.eval()
    whole, chunked = (ExactInference(graph, CPU, chunk_edges=c)(net) for c in (None, 100))
    return [logits.detach(), whole, chunked, *(weight.grad for weight in net.parameters())]


def composed(model: str, sampler: str, **changed: float) -> Settings:
    """Compose settings of two layers, with the keys of `changed` set where the model has them."""
    settings = compose_settings([*model.split(), *sampler.split(), "model.num_layers=2"])
    keys = settings.components["model"]
    keys.update({key: value for key, value in changed.items() if key in keys})
    return settings


@every_model
@every_sampler
def test_models_have_the_numbers_that_they_have_on_dense_features(
    model: str, sampler: str, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = composed(model, sampler, dropout=0.0, input_dropout=0.0)
    sparse = logits_and_gradients(graph, settings)
    monkeypatch.setattr(features, "MAX_DENSITY", -1.0)
    dense = logits_and_gradients(replace(graph, x=graph.x.clone()), settings)
    for one, other in zip(sparse, dense, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", READERS)
def test_no_dense_features_are_made_of_a_batch_or_in_inference(
    model: str, graph: GraphData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rows, "_read_table", None)
    sampler = SAMPLERS["neighbor"]
    settings = composed(MODELS[model], sampler, input_dropout=0.5, hidden_channels=16)
    logits, *_ = logits_and_gradients(graph, settings)
    assert logits.isfinite().all()
