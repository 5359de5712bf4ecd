"""The linear model is torch's linear layer on the features."""

from __future__ import annotations

import torch
from torch import nn

from redditgnn.graph.batch import Batch
from redditgnn.model.linear import Linear
from redditgnn.sampler.full import FullSampler


def full_batch(graph) -> Batch:
    cpu = torch.device("cpu")
    return next(iter(FullSampler(graph, num_layers=1, device=cpu, seed=0, cuda_graph=False)))


def test_it_is_a_linear_layer_on_raw_features_and_so_are_its_gradients(make_graph):
    graph = make_graph()
    model, plain = Linear(graph.spec, dropout=0.0), nn.Linear(5, 3)
    batch = full_batch(graph)
    plain.load_state_dict({key.removeprefix("lin."): v for key, v in model.state_dict().items()})
    logits, expected = model(batch), plain(graph.x[batch.node_ids[: batch.num_targets]])
    torch.testing.assert_close(logits, expected)
    for output in (logits, expected):
        output.square().sum().backward()
    torch.testing.assert_close(model.lin.weight.grad, plain.weight.grad)
    torch.testing.assert_close(model.lin.bias.grad, plain.bias.grad)
