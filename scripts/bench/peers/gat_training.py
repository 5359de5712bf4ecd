"""Train one seed of GAT on the whole graph as a user of PyG or DGL writes it, or with redditgnn.

usage: python -m scripts.bench.peers.gat_training SIDE SEED KEY=VALUE ...

The words are those of `redditgnn train`: all sides take the data, widths, dropout, learning rate,
weight decay and epochs from them. The best epoch is that of the lowest validation loss. Every side
begins with its own weights. The last line is JSON: see `Outcome`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import GATConv

import redditgnn
from redditgnn.config.compose import compose_settings
from redditgnn.graph.data import GraphData
from redditgnn.parts import Parts
from redditgnn.runtime.measure import peak_rss_mib
from scripts.bench.peers.dgl_layers import import_dgl
from scripts.bench.peers.pyg_layers import edge_index

OURS, PYG, DGL = SIDES = ("redditgnn", "PyG", "DGL")


@dataclass(frozen=True)
class Outcome:
    """The test accuracy of the best epoch, the median of the epochs' seconds, peak memory."""

    accuracy: float
    epoch_s: float
    peak_mib: float


class PygGat(nn.Module):
    """Two layers of PyG's GATConv."""

    def __init__(self, graph: GraphData, keys: dict[str, Any]) -> None:
        super().__init__()
        heads, hidden = keys["heads"], keys["hidden_channels"]
        rates = {"dropout": keys["attention_dropout"], "negative_slope": keys["negative_slope"]}
        self._x, self._edges = graph.dense_x, edge_index(graph)
        self._dropout, self._input_dropout = keys["dropout"], keys["input_dropout"]
        self._first = GATConv(graph.x.shape[1], hidden // heads, heads, **rates)
        self._last = GATConv(hidden, graph.num_classes, keys["out_heads"], concat=False, **rates)

    def forward(self) -> Tensor:
        """Return the logits of all nodes."""
        x = F.dropout(self._x, self._input_dropout, self.training)
        x = F.elu(self._first(x, self._edges))
        x = F.dropout(x, self._dropout, self.training)
        logits: Tensor = self._last(x, self._edges)
        return logits


class DglGat(nn.Module):
    """Two layers of DGL's GATConv."""

    def __init__(self, graph: GraphData, keys: dict[str, Any]) -> None:
        super().__init__()
        dgl, heads, hidden = import_dgl(), keys["heads"], keys["hidden_channels"]
        rates = {"attn_drop": keys["attention_dropout"], "negative_slope": keys["negative_slope"]}
        source, target = edge_index(graph)
        edges = dgl.graph((source, target), num_nodes=graph.num_nodes)
        self._graph, self._x = dgl.add_self_loop(edges).int(), graph.dense_x
        layer, width = dgl.nn.GATConv, graph.x.shape[1]
        first = {"feat_drop": keys["input_dropout"], "activation": F.elu}
        self._first = layer(width, hidden // heads, heads, **first, **rates)
        last = {"feat_drop": keys["dropout"]}
        self._last = layer(hidden, graph.num_classes, keys["out_heads"], **last, **rates)

    def forward(self) -> Tensor:
        """Return the logits of all nodes."""
        hidden = self._first(self._graph, self._x).flatten(1)
        logits: Tensor = self._last(self._graph, hidden).mean(1)
        return logits


def main(argv: Sequence[str] | None = None) -> int:
    """Train what the command line says, and print the outcome."""
    side, seed, *overrides = sys.argv[1:] if argv is None else argv
    words = [*overrides, f"seed={seed}"]
    outcome = train_ours(words) if side == OURS else train_peer(side, words)
    print(json.dumps(asdict(outcome)))
    return 0


def train_ours(overrides: Sequence[str]) -> Outcome:
    """Train with redditgnn."""
    with TemporaryDirectory() as folder:
        redditgnn.train([*overrides, f"results_dir={folder}"])
        row = redditgnn.load_results(folder).iloc[-1]
    return Outcome(float(row.test_accuracy), float(row.epoch_median_s), float(row.peak_rss_mib))


def train_peer(side: str, overrides: Sequence[str]) -> Outcome:
    """Train as a user of the peer does."""
    settings = compose_settings([*overrides])
    graph, components = Parts(settings).graph, settings.components
    torch.manual_seed(settings.seed)
    model = (PygGat if side == PYG else DglGat)(graph, components["model"])
    rates = {name: components["optimizer"][name] for name in ("lr", "weight_decay")}
    optimizer = torch.optim.Adam(model.parameters(), **rates)
    lowest, accuracy, seconds = float("inf"), 0.0, []
    for _ in range(components["trainer"]["epochs"]):
        seconds.append(_step(model, optimizer, graph))
        loss, test_accuracy = _evaluate(model, graph)
        if loss < lowest:
            lowest, accuracy = loss, test_accuracy
    return Outcome(accuracy, statistics.median(seconds), peak_rss_mib())


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, graph: GraphData) -> float:
    """Take a step, and return its seconds."""
    start = time.perf_counter()
    model.train()
    optimizer.zero_grad()
    mask = graph.train_mask
    F.cross_entropy(model()[mask], graph.y[mask]).backward()
    optimizer.step()
    return time.perf_counter() - start


@torch.no_grad()
def _evaluate(model: nn.Module, graph: GraphData) -> tuple[float, float]:
    """Return the loss on the validation nodes, and the accuracy on the test nodes."""
    logits, val, test = model.eval()(), graph.val_mask, graph.test_mask
    hits = logits[test].argmax(1) == graph.y[test]
    return float(F.cross_entropy(logits[val], graph.y[val])), float(hits.float().mean())


if __name__ == "__main__":
    sys.exit(main())
